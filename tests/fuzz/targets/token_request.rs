#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| incode_any_input::token_request(input));
