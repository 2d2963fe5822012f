#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| simpul_fuzz::run("subject_report", data));
