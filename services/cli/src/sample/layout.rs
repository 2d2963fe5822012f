//! Files of a sample, in the shapes that `connectors/mappings` read.
//!
//! ```text
//! OUT/sisko/licences.csv      SIP3MI of companies, SIP2MI of their job orders
//! OUT/sisko/placements.csv    one row a person
//! OUT/polri/case-….json       one police report a file, as the case system posts it
//! OUT/mission/intake-….json   one first contact a file; OUT/mission/screening-….json its screening
//! ```

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    SampleError, SampleOptions, SampleReport, exports,
    forms::{self, Forms},
    registry::Registry,
};

pub(super) fn write(
    options: &SampleOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<SampleReport, SampleError> {
    let out = Out::create(&options.out)?;
    let registry = Registry::new(options.seed, options.persons);
    let forms = Forms::new(options.seed, options.persons);
    let mut report = SampleReport {
        placements: options.persons,
        licences: registry.companies() + registry.permits(),
        police_reports: forms.police_reports(),
        intakes: forms.intakes(),
        screenings: 0,
    };
    let total = report.licences + report.placements + report.police_reports + report.intakes;
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done, total);
    };

    let licences = (0..registry.companies())
        .map(|company| exports::company(&registry, company))
        .chain((0..registry.permits()).map(|permit| exports::permit(&registry, permit)));
    out.table("sisko/licences.csv", exports::LICENCE_COLUMNS, licences.inspect(|_| step()))?;
    let placements = (0..options.persons).map(|index| exports::placement(&registry.placement(index)));
    out.table("sisko/placements.csv", exports::PLACEMENT_COLUMNS, placements.inspect(|_| step()))?;
    for number in 0..report.police_reports {
        out.document(
            &format!("polri/case-{:07}-v1.json", number + 1),
            &forms.police_report(&registry, number),
        )?;
        step();
    }
    for number in 0..report.intakes {
        let contact = forms.contact(&registry, number);
        out.document(&format!("mission/intake-{:07}.json", number + 1), &forms::intake(&contact))?;
        if let Some(screening) = forms::screening(&contact) {
            out.document(&format!("mission/screening-{:07}.json", number + 1), &screening)?;
            report.screenings += 1;
        }
        step();
    }
    Ok(report)
}

struct Out(PathBuf);

impl Out {
    fn create(path: &Path) -> Result<Self, SampleError> {
        let failed = |source| SampleError::Write { path: path.into(), source };
        match path.read_dir() {
            Ok(entries) => {
                if entries.count() > 0 {
                    return Err(SampleError::Occupied(path.into()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        for folder in ["sisko", "polri", "mission"] {
            fs::create_dir_all(path.join(folder)).map_err(failed)?;
        }
        Ok(Self(path.into()))
    }

    fn table<const N: usize>(
        &self,
        name: &str,
        columns: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) -> Result<(), SampleError> {
        let path = self.0.join(name);
        let written = || -> Result<(), csv::Error> {
            let mut table = csv::WriterBuilder::new().delimiter(b';').from_path(&path)?;
            table.write_record(columns)?;
            for row in rows {
                table.write_record(&row)?;
            }
            Ok(table.flush()?)
        };
        written().map_err(|error| SampleError::Write { path: path.clone(), source: io::Error::other(error) })
    }

    fn document(&self, name: &str, document: &Value) -> Result<(), SampleError> {
        let path = self.0.join(name);
        let written = || -> io::Result<()> {
            let mut file = BufWriter::new(File::create(&path)?);
            serde_json::to_writer_pretty(&mut file, document)?;
            writeln!(file)?;
            file.flush()
        };
        written().map_err(|source| SampleError::Write { path: path.clone(), source })
    }
}
