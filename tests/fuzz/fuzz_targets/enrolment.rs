#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| simpul_fuzz::run("enrolment", data));
