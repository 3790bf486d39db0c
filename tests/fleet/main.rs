//! Processes that share one token through a store. Each cache stands for a process. In virtual time.

mod support;

mod acquisitions;
mod announcements;
mod attempts;
mod clocks;
mod entries;
mod events;
mod failures;
mod keys;
mod leaders;
mod odd_stores;
mod older_tokens;
mod rejections;
mod settings;
mod simulation;
mod slow_store;
mod store_faults;
