//! One binary for all tests: the test world in `stage`, stories in `scenarios`, rules in `properties`.

mod outside;
mod properties;
mod scenarios;
mod stage;
mod web;
