#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| myelin_network_fuzz::chain::certificate(data));
