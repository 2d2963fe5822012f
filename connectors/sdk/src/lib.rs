//! What every connector shares: map, salt, sign, coalesce, spool, submit, resume.
