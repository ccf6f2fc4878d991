//! The public pages: what their forms understand, what they show, and what holds for every answer; the API's list of issues.

mod forms;
mod http;
mod issues;
mod pages;
