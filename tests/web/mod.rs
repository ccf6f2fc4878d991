//! The public pages: what their forms understand, what they show, and what holds for every answer; the API's alerts
//! and list of issues.

mod admin;
mod alerts;
mod drafts;
mod forms;
mod http;
mod issues;
mod newsroom;
mod openapi;
mod pages;
mod published;
mod routes;
mod sources;
