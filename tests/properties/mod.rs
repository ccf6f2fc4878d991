//! Rules that hold for whatever comes: generated inputs, and generated histories of a whole installation.

mod addresses;
mod audience;
mod cadence;
mod corrections;
mod feeds;
mod forecast;
mod foreseen;
mod histories;
mod mails;
mod races;
mod signing;
mod webhooks;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::stage::Backend;

/// How many cases to run of a property that needs a database: `usual`, or a hundred times that with `BELLWETHER_LONG=1`.
fn cases(usual: u32) -> u32 {
    let long = std::env::var("BELLWETHER_LONG").is_ok_and(|long| long == "1");
    if long { usual * 100 } else { usual }
}

/// Holds a property against generated values on one database, each case on a runtime of its own.
fn run<S: Strategy>(backend: Backend, cases: u32, values: S, property: impl AsyncFn(S::Value)) {
    if !backend.is_here() {
        return;
    }
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new(config).run(&values, |value| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(property(value));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
