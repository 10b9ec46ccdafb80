//! Properties: what holds whatever the input.

use proptest::prelude::{ProptestConfig, Strategy};
use proptest::test_runner::{RngSeed, TestRunner};

/// Run a property that many times, always with the same values, or with others each time as often as `PROPTEST_CASES` says; a
/// failure is shrunk and shown, and nothing is written to the repository. PROPTEST_RNG_SEED repeats such a look, and
/// PROPTEST_MAX_SHRINK_ITERS=0 shows what failed as it came.
#[track_caller]
pub(crate) fn holds<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value)) {
    let more = std::env::var("PROPTEST_CASES").map(|cases| cases.parse().expect("a number"));
    let asked = ProptestConfig::default();
    let rng_seed = if more.is_ok() {
        asked.rng_seed
    } else {
        RngSeed::Fixed(1)
    };
    let config = ProptestConfig {
        cases: more.unwrap_or(cases),
        rng_seed,
        failure_persistence: None,
        max_shrink_iters: asked.max_shrink_iters.min(60),
        ..asked
    };
    let result = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
