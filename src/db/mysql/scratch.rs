//! Scratch databases on MySQL and MariaDB.

use crate::db::stage::{Scratch, Source};
use crate::db::url::MysqlUrl;
use crate::error::Error;

/// How to make scratch databases.
pub struct Blueprint {
}

impl Blueprint {
    /// From the database that the URL names, or from a script.
    pub fn new(_url: &MysqlUrl, _source: Source<'_>) -> Result<Self, Error> {
        Err(Error::failed("later"))
    }
}
impl crate::db::stage::Blueprint for Blueprint {
    fn build(&self) -> Result<Scratch, Error> {
        Err(Error::failed("later"))
    }
}
