//! Every black-box test, one feature a module.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

mod api_admin;
mod api_async;
mod api_batch;
mod api_clients;
mod api_errors;
mod api_fetch;
mod api_fidelity;
mod api_masks;
mod api_pages;
mod api_prompts;
mod api_removal;
mod api_transparency;
mod api_webhooks;
mod cli;
mod connections;
mod database;
mod devices;
mod faults;
mod figures;
mod hot_folder;
mod object_storage;
mod operating;
mod readme;
mod recipes;
mod several;
mod shared_store;
mod spending;
mod storage;
mod structure;
mod tidy;
mod upgrade;
mod user_plugins;
