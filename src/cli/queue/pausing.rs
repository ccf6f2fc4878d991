//! `bellwether queue pause` and `resume`: a lane or a relay is stopped by hand until it is resumed.

use super::{Failure, Part, known_relay};
use crate::audit::Actor;
use crate::cli::{print, print_json};
use crate::context::Context;
use crate::delivering::{
    pausing::{self, Resumed},
    why::by_hand,
};
use crate::domain::pause::{Kind, Pause};

/// Stop a lane or a relay until it is resumed, over restarts as well; every node sees it within a second
///
/// What a relay has begun to read goes out. Mail waits and is not lost; an alert that expires meanwhile stands in the
/// next digest. Without a pause of the transactional lane confirmations still go out.
///
/// Exit codes: 0 paused, now or before; 2 wrong usage, or there is no such relay.
///
/// Example:
///   bellwether queue pause --relay primary --reason "the provider asked us to wait"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Stop {
    #[command(flatten)]
    part: Part,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Let a paused lane or relay go on; a relay that rests or refuses our mail is tried at once
///
/// What such a relay put off is queued again.
///
/// Exit codes: 0 it goes on, or was not paused; 2 wrong usage, or there is no such relay.
///
/// Example:
///   bellwether queue resume --relay primary
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Resume {
    #[command(flatten)]
    part: Part,
}

impl Stop {
    pub(super) async fn run(self, cx: &Context, json: bool) -> Result<(), Failure> {
        let (kind, name) = (self.part.kind(), self.part.name());
        if kind == Kind::Relay {
            known_relay(&cx.config, &name)?;
        }
        let pause = Pause { kind, name, reason: self.reason.trim().to_owned(), since: cx.clock.now() };
        let pause = pausing::pause(cx, &Actor::command(), pause).await?;
        if json {
            return print_json(&pause);
        }
        print(format_args!("The {kind} {} is paused {}", pause.name, by_hand(&pause)))?;
        print(format_args!("`bellwether queue resume --{kind} {}` lets it go on.", pause.name))
    }
}

impl Resume {
    pub(super) async fn run(self, cx: &Context, json: bool) -> Result<(), Failure> {
        let (kind, name) = (self.part.kind(), self.part.name());
        let Resumed { lifted, tried } = pausing::resume(cx, &Actor::command(), kind, &name).await?;
        if !lifted && !tried && kind == Kind::Relay {
            // One that was taken out of the configuration may still be paused.
            known_relay(&cx.config, &name)?;
        }
        if json {
            return print_json(
                &serde_json::json!({ "kind": kind, "name": name, "was_paused": lifted, "was_in_trouble": tried }),
            );
        }
        match (lifted, tried) {
            (true, _) => print(format_args!("The {kind} {name} goes on.")),
            (false, true) => print(format_args!("The {kind} {name} is tried at once.")),
            (false, false) => print(format_args!("The {kind} {name} was not paused.")),
        }
    }
}
