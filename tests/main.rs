//! One binary for all tests: the test world in `stage`, stories in `scenarios`, rules in `properties`, the SQL in
//! `store`, the pages in `web`, the shape of the source in `tidy`.

mod outside;
mod properties;
mod scenarios;
mod stage;
mod store;
mod tidy;
mod web;
