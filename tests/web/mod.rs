//! The public pages: what their forms understand, what they show, and what holds for every answer; the API's alerts
//! and list of issues.

mod admin;
mod alerts;
mod drafts;
mod examples;
mod forms;
mod http;
mod issues;
mod newsroom;
mod office;
mod openapi;
mod pages;
mod paging;
mod published;
mod repeats;
mod routes;
mod sources;
