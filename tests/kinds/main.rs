//! Every kind, live, in every dialect: its own tests, its page in the documentation, and what holds for all of them: after
//! apply the plan is empty, a rollback leaves the catalog as it was, a table that a kind writes to is never dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod awkward;
mod cascades;
mod case;
mod commanded;
mod matrix;
mod newer;
mod own;
mod pages;
mod pairs;

mod refusals;
mod tables;
mod wide;
mod writers;

use libtest_mimic::Arguments;

fn main() {
    let trials = [
        awkward::trials(),
        case::trials(),
        cascades::trials(),
        commanded::trials(),
        matrix::trials(),
        newer::trials(),
        own::trials(),
        pages::trials(),
        pairs::trials(),
        refusals::trials(),
        tables::trials(),
        wide::trials(),
        writers::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
