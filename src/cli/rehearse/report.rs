//! What the rehearsal found, for people and as JSON.

use std::fmt::Write;
use std::time::Duration;

use super::super::relays;
use super::piece::Piece;
use super::places::Place;
use super::reckoning::Reckoning;
use super::room::Went;
use super::words::{count, counted, speed};
use crate::config::Pipelining;
use crate::domain::{forecast::Forecast, issue::Kind, time::span};

#[derive(serde::Serialize)]
pub(super) struct Report {
    /// What was rehearsed.
    what: String,
    /// Everybody would get it, and every relay answers.
    pub fine: bool,
    readers: u64,
    bytes: usize,
    /// On this machine.
    measured: Measured,
    /// Those that serve the lane.
    relays: Vec<Told>,
    night: Night,
    /// What to do, in order.
    advice: Vec<String>,
}

#[derive(serde::Serialize)]
struct Measured {
    mails: u64,
    first_seconds: f64,
    last_seconds: f64,
    mails_per_second: f64,
    /// The rehearsal's is SQLite in any case.
    own_database: &'static str,
}

/// A relay.
#[derive(serde::Serialize)]
struct Told {
    name: String,
    place: String,
    /// What it is, or what is wrong with it.
    text: String,
    answers: bool,
    round_trip_seconds: Option<f64>,
    opening_seconds: Option<f64>,
    pipelining: Option<Pipelining>,
    connections: u32,
    /// Those of its connections that serve the lane.
    connections_of_lane: u32,
    /// Mails a second that these carry.
    carries_per_second: Option<f64>,
    rate: Option<f64>,
    /// How long the rate alone needs for everybody.
    rate_seconds: Option<f64>,
    per_day: Option<u64>,
    /// In the last 24 hours.
    taken: u64,
    /// What it would take on the night.
    mails: u64,
}

#[derive(serde::Serialize)]
struct Night {
    first_seconds: f64,
    last_seconds: f64,
    mails_per_second: f64,
    bottleneck: String,
    /// Readers who would wait until the next day.
    cut_off: u64,
}

impl Report {
    pub fn new(piece: &Piece, readers: u64, places: &[Place], went: &Went, on_postgres: bool) -> Self {
        let reckoning = Reckoning::new(piece.lane(), readers, places, went);
        let Forecast { took, cut_off, .. } = reckoning.forecast;
        let opened = |place: &&Place| {
            place.found.as_ref().map_or(Duration::ZERO, |found| found.opening + found.way(&place.relay))
        };
        let soonest = reckoning.places.iter().map(opened).min().unwrap_or_default();
        let latest = reckoning.places.iter().map(opened).max().unwrap_or_default();
        Self {
            what: what(piece),
            fine: cut_off == 0 && went.came == went.mails && places.iter().all(|place| place.found.is_ok()),
            readers,
            bytes: went.size,
            measured: Measured {
                mails: went.came,
                first_seconds: went.first.as_secs_f64(),
                last_seconds: went.last.as_secs_f64(),
                mails_per_second: reckoning.machine,
                own_database: if on_postgres { "postgres" } else { "sqlite" },
            },
            relays: places.iter().map(|place| Told::new(&reckoning, place)).collect(),
            night: Night {
                first_seconds: (went.first + soonest).as_secs_f64(),
                last_seconds: took.saturating_add(went.first + latest).as_secs_f64(),
                mails_per_second: reckoning.forecast.speed,
                bottleneck: reckoning.bottleneck(),
                cut_off,
            },
            advice: reckoning.advice(places),
        }
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { measured, night, .. } = self;
        let seconds = |seconds: f64| span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        writeln!(out, "Rehearsed: {}. Nobody was mailed.\n", self.what)?;
        writeln!(out, "On this machine")?;
        writeln!(
            out,
            "  {} would get a mail of {:.1} KB",
            counted(self.readers, "reader"),
            self.bytes as f64 / 1e3
        )?;
        if measured.mails < self.readers {
            writeln!(out, "  rehearsed with {} of them, and the rest is reckoned up", count(measured.mails))?;
        }
        writeln!(
            out,
            "  first mail after {}, last after {}: {} mails a second",
            seconds(measured.first_seconds),
            seconds(measured.last_seconds),
            speed(measured.mails_per_second)
        )?;
        if measured.own_database == "postgres" {
            writeln!(out, "  the copy was in SQLite; your PostgreSQL may be slower, or faster")?;
        }
        for relay in &self.relays {
            relay.write(out, self.readers)?;
        }
        writeln!(out, "\nOn the night")?;
        let within = if night.cut_off > 0 { " before the day's limits" } else { "" };
        if night.cut_off < self.readers {
            writeln!(
                out,
                "  first mail after {}, last{within} after {}",
                seconds(night.first_seconds),
                seconds(night.last_seconds)
            )?;
        }
        writeln!(out, "  what limits it: {}", night.bottleneck)?;
        if night.cut_off > 0 {
            let last = if night.cut_off == self.readers { "all" } else { "the last" };
            writeln!(
                out,
                "  cut off: {last} {} would wait until the next day",
                counted(night.cut_off, "reader")
            )?;
        }
        if !self.advice.is_empty() {
            writeln!(out, "\nWhat to do")?;
        }
        for advice in &self.advice {
            writeln!(out, "  - {advice}")?;
        }
        Ok(())
    }
}

impl Told {
    fn new(reckoning: &Reckoning<'_>, place: &Place) -> Self {
        let found = place.found.as_ref().ok();
        let counted_on = reckoning.places.iter().position(|other| other.relay.name == place.relay.name);
        Self {
            name: place.relay.name.clone(),
            place: relays::place(&place.relay),
            text: match &place.found {
                Ok(found) => found.text.clone(),
                Err(text) => text.clone(),
            },
            answers: found.is_some(),
            round_trip_seconds: found.map(|found| found.round_trip.as_secs_f64()),
            opening_seconds: found.map(|found| found.opening.as_secs_f64()),
            pipelining: found.map(|found| found.pipelining),
            connections: place.relay.connections,
            connections_of_lane: place.connections,
            carries_per_second: place.known(reckoning.own).carries(),
            rate: place.relay.rate,
            rate_seconds: place.relay.rate.map(|rate| reckoning.readers as f64 / rate),
            per_day: place.relay.per_day,
            taken: place.taken,
            mails: counted_on.and_then(|at| reckoning.forecast.taken.get(at)).copied().unwrap_or(0),
        }
    }

    fn write(&self, out: &mut String, readers: u64) -> std::fmt::Result {
        let seconds = |seconds: f64| span(Duration::from_secs_f64(seconds));
        writeln!(out, "\nAt {}", self.place)?;
        writeln!(out, "  {}{}", if self.answers { "" } else { "error: " }, self.text)?;
        if let (Some(round_trip), Some(opening)) = (self.round_trip_seconds, self.opening_seconds) {
            writeln!(
                out,
                "  a round trip takes {}, a new connection {}",
                seconds(round_trip),
                seconds(opening)
            )?;
        }
        if let Some(carries) = self.carries_per_second {
            let kept = self.connections - self.connections_of_lane;
            let (of, kept) = match kept {
                0 => (String::new(), String::new()),
                kept => (
                    format!("{} of ", self.connections_of_lane),
                    format!(" ({kept} kept for what is more pressing)"),
                ),
            };
            writeln!(
                out,
                "  {of}its {} carry {} mails a second at most{kept}",
                counted(self.connections.into(), "connection"),
                speed(carries)
            )?;
        }
        if let (Some(rate), Some(rate_seconds)) = (self.rate, self.rate_seconds) {
            writeln!(
                out,
                "  its rate of {} a second: {} need {}",
                speed(rate),
                counted(readers, "mail"),
                seconds(rate_seconds)
            )?;
        }
        if let Some(per_day) = self.per_day {
            writeln!(
                out,
                "  its day of {}: {} were taken in the last 24 hours, {} are left",
                counted(per_day, "mail"),
                count(self.taken),
                count(per_day.saturating_sub(self.taken))
            )?;
        }
        Ok(())
    }
}

fn what(piece: &Piece) -> String {
    let topics: Vec<_> = piece.topics.iter().map(|topic| topic.as_str()).collect();
    match (piece.kind, piece.is_stored()) {
        (Kind::Digest, _) => {
            format!(
                "the longest mail of the {} digest \"{}\", to everybody who takes it",
                piece.digest, piece.subject
            )
        }
        (_, true) => {
            format!(
                "the alert \"{}\", level {}, to the readers of {}",
                piece.subject,
                piece.level,
                topics.join(", ")
            )
        }
        (_, false) => {
            format!("a sample alert, level {}, to the readers of {}", piece.level, topics.join(", "))
        }
    }
}
