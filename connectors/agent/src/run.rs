//! Builds the parts in the order of the flow, and stops them in the same order: sources first, then the sender.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use simpul_connector::{Intake, Quarantine, Runner, Spool, StreamKey};
use simpul_file_drop::FileDrop;
use simpul_form_folder::FormFolder;
use simpul_http_intake::HttpIntake;
use simpul_types::clock::System;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Plan, Source},
    status::Status,
};

/// How often the status file is written and progress told.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// Sources that are ready to run.
enum Ready {
    Files(Box<FileDrop>),
    Http(Box<HttpIntake>),
    Forms(Box<FormFolder>),
}

struct Agent {
    spool: Spool,
    quarantine: Arc<Quarantine>,
    status_file: Option<PathBuf>,
    listening: Vec<String>,
}

/// Runs until everything is done (`once`) or a signal comes.
pub(crate) async fn run(plan: Plan, once: bool) -> anyhow::Result<Status> {
    let (clock, ids) = (Arc::new(System), Arc::new(System));
    let refs = StreamKey::beside(&plan.client.signing_key)?;
    let spool = Spool::open(&plan.spool, ids.clone()).context("opening the spool")?;
    let quarantine = Arc::new(Quarantine::open(&plan.quarantine_dir, clock.clone(), ids)?);
    let intake =
        Intake { spool: spool.clone(), quarantine: Arc::clone(&quarantine), refs, clock: clock.clone() };
    let mut agent = Agent { spool, quarantine, status_file: plan.status_file, listening: Vec::new() };
    let sources = agent.prepare(plan.sources, &intake, once).await?;
    tracing::info!(
        sender = %plan.client.sender(),
        endpoint = plan.client.endpoint,
        waiting = agent.spool.waiting(),
        "connector started"
    );
    let mut runner = agent.spool.start(plan.client, Arc::clone(&agent.quarantine), clock)?;
    let stop = stop_on_signal()?;
    let ended = tokio::select! {
        ended = agent.work(sources, once, &mut runner, &stop) => ended,
        error = agent.tell() => error,
    };
    stop.cancel();
    let stopped = runner.stop().await.context("stopping the sender");
    let state = match (&ended, &stopped) {
        (Ok(state), Ok(())) => state,
        _ => "failed",
    };
    let status = agent.status(state);
    agent.write(&status);
    ended?;
    stopped?;
    Ok(status)
}

impl Agent {
    async fn prepare(
        &mut self,
        sources: Vec<Source>,
        intake: &Intake,
        once: bool,
    ) -> anyhow::Result<Vec<Ready>> {
        let mut ready = Vec::with_capacity(sources.len());
        for source in sources {
            ready.push(match source {
                Source::FileDrop(config, mapping) => {
                    Ready::Files(Box::new(FileDrop::new(config, mapping, intake.clone())))
                }
                Source::FormFolder(config, mapping) => {
                    Ready::Forms(Box::new(FormFolder::new(config, mapping, intake.clone())))
                }
                Source::HttpIntake(..) if once => {
                    tracing::info!("http-intake is not started with --once");
                    continue;
                }
                Source::HttpIntake(config, mapping) => {
                    let path = config.path.clone();
                    let http = HttpIntake::bind(config, mapping, intake.clone()).await?;
                    let url = format!("http://{}{path}", http.address());
                    tracing::info!(url, "listening");
                    self.listening.push(url);
                    Ready::Http(Box::new(http))
                }
            });
        }
        Ok(ready)
    }

    async fn work(
        &self,
        sources: Vec<Ready>,
        once: bool,
        runner: &mut Runner,
        stop: &CancellationToken,
    ) -> anyhow::Result<&'static str> {
        if once { self.once(sources, runner, stop).await } else { self.follow(sources, runner, stop).await }
    }

    async fn once(
        &self,
        sources: Vec<Ready>,
        runner: &mut Runner,
        stop: &CancellationToken,
    ) -> anyhow::Result<&'static str> {
        for source in sources {
            match source {
                Ready::Files(mut files) => {
                    let scan = files.drain(stop).await?;
                    tracing::info!(
                        files = scan.files,
                        new = scan.new,
                        changed = scan.changed,
                        known = scan.known,
                        quarantined = scan.quarantined,
                        "folder read"
                    );
                }
                Ready::Forms(mut forms) => {
                    let scan = forms.drain(stop).await?;
                    tracing::info!(
                        files = scan.files,
                        taken = scan.taken,
                        known = scan.known,
                        quarantined = scan.quarantined,
                        mrz_warnings = scan.warned,
                        "folder read"
                    );
                }
                Ready::Http(_) => {}
            }
        }
        tokio::select! {
            drained = runner.drained() => drained?,
            () = stop.cancelled() => return Ok("stopped"),
        }
        Ok("done")
    }

    async fn follow(
        &self,
        sources: Vec<Ready>,
        runner: &mut Runner,
        stop: &CancellationToken,
    ) -> anyhow::Result<&'static str> {
        let mut tasks = JoinSet::new();
        for source in sources {
            let stop = stop.clone();
            match source {
                Ready::Files(files) => tasks.spawn(async move {
                    files.follow(stop).await;
                    Ok(())
                }),
                Ready::Forms(forms) => tasks.spawn(async move {
                    forms.follow(stop).await;
                    Ok(())
                }),
                Ready::Http(http) => tasks.spawn(http.serve(stop)),
            };
        }
        let ended = loop {
            tokio::select! {
                // A sender that has stopped by itself does so by a fault only.
                ended = runner.ended() => break ended.map(|()| "failed").map_err(anyhow::Error::from),
                task = tasks.join_next() => match task {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => break Err(anyhow::Error::new(error).context("http-intake")),
                    Some(Err(error)) => break Err(anyhow::Error::new(error).context("a source has broken down")),
                    None => break Ok("stopped"),
                },
            }
        };
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        ended
    }

    /// Tells progress and writes the status file, until dropped.
    async fn tell(&self) -> anyhow::Result<&'static str> {
        let mut ticks = interval(STATUS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut before = None;
        loop {
            ticks.tick().await;
            let status = self.status("running");
            if before.as_ref() != Some(&status) {
                tracing::info!(
                    accepted = status.accepted,
                    duplicate = status.duplicate,
                    quarantined = status.quarantined,
                    waiting = status.waiting,
                    "progress"
                );
                self.write(&status);
                before = Some(status);
            }
        }
    }

    fn status(&self, state: &'static str) -> Status {
        Status::new(state, self.spool.counts(), self.quarantine.count(), &self.listening)
    }

    fn write(&self, status: &Status) {
        let Some(path) = &self.status_file else { return };
        if let Err(error) = status.write(path) {
            tracing::error!(%error, path = %path.display(), "status file not written");
        }
    }
}

/// Cancelled by SIGTERM or Ctrl-C; a second one exits at once, which loses nothing: the spool is on disk.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let token = stop.clone();
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                std::process::exit(130);
            }
            tracing::info!("stopping");
            token.cancel();
        }
    });
    Ok(stop)
}
