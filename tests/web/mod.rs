//! The public pages: what their forms understand, what they show, and what holds for every answer.

mod forms;
mod http;
mod pages;
