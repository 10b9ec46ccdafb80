//! PostgreSQL: connecting, as libpq's users expect it.

pub mod connect;
