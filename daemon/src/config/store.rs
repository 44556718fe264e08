//! `[store]`: where accounts, credits and jobs are kept.

use cleanplate_store::PgAddress;

use super::reader::Reader;

/// Where accounts, credits and jobs are kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// A PostgreSQL database; `None`: a SQLite file in the data folder.
    pub address: Option<PgAddress>,
    /// Connections to it that this process may have at a time.
    pub connections_max: usize,
}

pub(super) fn read(r: &mut Reader<'_>) -> Database {
    let url = r.text("store.url");
    let connections_max = r.whole("store.connections_max", 2..=1000) as usize;
    let password = password(r);
    let address = if url.is_empty() {
        None
    } else {
        match PgAddress::parse(&url, password.as_deref()) {
            Ok(address) => Some(address),
            Err(error) => {
                r.problem("store.url", format!("`store.url`: {error}"));
                None
            }
        }
    };
    Database {
        address,
        connections_max,
    }
}

/// The password, from its option or its file.
fn password(r: &mut Reader<'_>) -> Option<String> {
    let (text, file) = (r.text("store.password"), r.text("store.password_file"));
    if file.is_empty() {
        return (!text.is_empty()).then_some(text);
    }
    if !text.is_empty() {
        let both = "`store.password_file` and `store.password` are both given; one is enough";
        r.problem("store.password_file", both.to_string());
    }
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_string()),
        Err(error) => {
            let problem = format!("`store.password_file`: {file} cannot be read: {error}");
            r.problem("store.password_file", problem);
            None
        }
    }
}
