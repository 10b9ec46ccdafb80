//! Properties: what holds whatever the input.

use proptest::prelude::{ProptestConfig, Strategy};
use proptest::test_runner::{RngSeed, TestRunner};

/// Run a property that many times, always with the same values, or with others each time as often as `PROPTEST_CASES` says; a
/// failure is shrunk and shown, and nothing is written to the repository.
#[track_caller]
pub(crate) fn holds<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let more = std::env::var("PROPTEST_CASES").map(|cases| cases.parse().expect("a number"));
    let rng_seed = if more.is_ok() {
        RngSeed::Random
    } else {
        RngSeed::Fixed(1)
    };
    let config = ProptestConfig {
        cases: more.unwrap_or(cases),
        rng_seed,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
