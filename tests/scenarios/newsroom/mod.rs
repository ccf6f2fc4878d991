//! The newsroom: who gets in and how, who made them, what is written down of it.

mod attempts;
mod broadcasts;
mod calling;
mod codes;
mod corrections;
mod desk;
mod estimates;
mod issues;
mod links;
mod lists;
mod log;
mod overview;
mod pausing;
mod people;
mod races;
mod readers;
mod reading;
mod sessions;
mod signing_in;
mod sources;
mod test_topics;
mod under_way;
