//! Connecting to PostgreSQL by libpq's conventions: what the driver leaves to its caller (environment, service and
//! password files, certificate checks, fallbacks, errors that say what to do).

mod attempt;
mod environment;
mod explain;
mod explain_tls;
mod given;
mod passfile;
mod secret;
mod service;
mod session;
mod settings;
mod tls;
mod tls_settings;
mod verify;

pub use environment::Environment;
pub use session::{Again, Connection, connect, connect_in};
