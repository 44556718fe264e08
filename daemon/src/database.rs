//! The store that the configuration names: a SQLite file in the data folder, or a PostgreSQL database.

use std::fs::File;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use cleanplate_store::{
    Accounts, Contents, DATABASE_FILE, LOCK_FILE, Maintenance, PageRequest, PgAddress, PgStore,
    SqliteStore, Store, StoreError, SystemClock,
};

use crate::config::Config;
use crate::files::{Dirs, UrlKeys, refuse_foreign_database, refuse_lost_database};

/// What the keys that sign addresses are called in a database.
pub const URL_KEYS: &str = "url";
/// The same of the key of webhooks.
const WEBHOOK_KEYS: &str = "webhook";

/// The store of a daemon.
pub struct OpenStore {
    /// It.
    pub store: Arc<dyn Store>,
    /// It again, where it is a database that other processes may share.
    pub shared: Option<Arc<PgStore>>,
    /// The lock of the data folder, where the store does not hold it: the files in it have one daemon.
    pub folder: Option<File>,
}

/// Opens the store for a daemon and keeps others off its data folder. Refuses one that lacks what the folder shows there was.
pub fn open(config: &Config, dirs: &Dirs) -> anyhow::Result<OpenStore> {
    let Some(address) = &config.database.address else {
        refuse_lost_database(dirs)?;
        let store = SqliteStore::open(&dirs.data, Arc::new(SystemClock))?;
        refuse_foreign_database(&store, dirs, None)?;
        // The lock says that nobody else works on it, whatever the last daemon was called.
        store.adopt()?;
        return Ok(OpenStore {
            store: Arc::new(store),
            shared: None,
            folder: None,
        });
    };
    let Some(folder) = SqliteStore::hold(&dirs.data)? else {
        bail!(
            "{} is locked by another running daemon; stop it or give this one a data folder of its own (server.data_dir)",
            dirs.data.join(LOCK_FILE).display()
        );
    };
    let store = connect(config, address)?;
    refuse_left_behind(&store, dirs)?;
    refuse_foreign_database(&store, dirs, Some(address.shown()))?;
    tracing::info!(
        database = address.shown(),
        "accounts and jobs are kept in PostgreSQL"
    );
    let store = Arc::new(store);
    Ok(OpenStore {
        store: store.clone(),
        shared: Some(store),
        folder: Some(folder),
    })
}

/// Opens the store for a tool; daemons may be running on it.
pub fn attach(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(address) = &config.database.address {
        return Ok(Arc::new(beside(config, address)?));
    }
    let dirs = Dirs::under(&config.server.data_dir);
    dirs.make_data()?;
    refuse_lost_database(&dirs)?;
    Ok(Arc::new(SqliteStore::attach(
        &dirs.data,
        Arc::new(SystemClock),
    )?))
}

/// The PostgreSQL database at this address, for a tool: its tables stay as they are, and are made where there are none.
pub fn beside(config: &Config, address: &PgAddress) -> anyhow::Result<PgStore> {
    attached(config, address)?.map_or_else(|| connect(config, address), Ok)
}

/// The same as it is; `None` where it has no tables yet.
fn attached(config: &Config, address: &PgAddress) -> anyhow::Result<Option<PgStore>> {
    PgStore::attach(address, config.database.connections_max)
        .with_context(|| format!("store.url: {}", address.shown()))
}

/// The store as it is, for who changes nothing; `None` where there is none that this program can read without migrating it.
pub fn as_it_is(config: &Config) -> anyhow::Result<Option<Arc<dyn Store>>> {
    let dirs = Dirs::under(&config.server.data_dir);
    let found: anyhow::Result<Option<Arc<dyn Store>>> = match &config.database.address {
        Some(address) => {
            attached(config, address).map(|store| store.map(|store| Arc::new(store) as _))
        }
        None if dirs.data.join(DATABASE_FILE).is_file() => {
            SqliteStore::attach_as_it_is(&dirs.data, Arc::new(SystemClock))
                .map(|store| Some(Arc::new(store) as _))
                .map_err(Into::into)
        }
        None => Ok(None),
    };
    match found {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::OlderSchema { .. })) => {
            Ok(None)
        }
        found => found,
    }
}

/// The PostgreSQL database at this address, its tables made or migrated.
pub fn connect(config: &Config, address: &PgAddress) -> anyhow::Result<PgStore> {
    PgStore::open(address, config.database.connections_max)
        .with_context(|| format!("store.url: {}", address.shown()))
}

/// Refuses an empty database beside a file with accounts: its keys would open no door any more.
fn refuse_left_behind(store: &PgStore, dirs: &Dirs) -> anyhow::Result<()> {
    let path = dirs.data.join(DATABASE_FILE);
    let left = std::fs::metadata(&path).is_ok_and(|meta| meta.len() > 0);
    let one = PageRequest {
        after: None,
        rows: 1,
    };
    ensure!(
        !left || !store.list_accounts(None, &one)?.items.is_empty(),
        "{} has no accounts, but {} is the database of this data folder: copy it there first (cleanplate store copy --from sqlite --to postgres), \
         or move it away to begin anew",
        store.shown(),
        path.display()
    );
    Ok(())
}

/// The keys that sign addresses, and the key of webhooks: files of the data folder, or rows that all processes share. What the
/// folder has already is taken over by a database that has none.
pub fn keys(shared: Option<&PgStore>, dirs: &Dirs) -> anyhow::Result<(UrlKeys, UrlKeys)> {
    let Some(store) = shared else {
        return Ok((
            UrlKeys::load(&dirs.secrets)?,
            UrlKeys::load(&dirs.webhook_key)?,
        ));
    };
    let of = |purpose, file| -> anyhow::Result<UrlKeys> {
        let first = UrlKeys::kept_or_new(file)?;
        Ok(UrlKeys::of(store.secrets(purpose, &first)?))
    };
    Ok((
        of(URL_KEYS, &dirs.secrets)?,
        of(WEBHOOK_KEYS, &dirs.webhook_key)?,
    ))
}

/// Writes the keys of a database into the files of a data folder.
pub fn write_keys(store: &PgStore, dirs: &Dirs) -> anyhow::Result<()> {
    for (purpose, file) in [(URL_KEYS, &dirs.secrets), (WEBHOOK_KEYS, &dirs.webhook_key)] {
        let keys = store.secrets(purpose, &[])?;
        if !keys.is_empty() {
            UrlKeys::write(file, &keys)?;
        }
    }
    Ok(())
}

/// Puts a store and the keys of its folder into an empty database. What was under way is ended or requeued before: the process that
/// had it is not there.
pub fn fill(
    config: &Config,
    store: &PgStore,
    source: &SqliteStore,
    dirs: &Dirs,
) -> anyhow::Result<Contents> {
    source.adopt()?;
    source.recover("copy", config.queue.attempts_max)?;
    let mut secrets = Vec::new();
    for (purpose, file) in [(URL_KEYS, &dirs.secrets), (WEBHOOK_KEYS, &dirs.webhook_key)] {
        if file.exists() {
            secrets.push((purpose, UrlKeys::load(file)?.verifying()));
        }
    }
    Ok(store.copy_from(source, &secrets)?)
}

/// Puts the database and the keys of an unpacked backup into the empty one of the configuration, and takes them from the folder.
pub fn restore(config: &Config, address: &PgAddress, backup: &Dirs) -> anyhow::Result<()> {
    let store = connect(config, address)?;
    let source = SqliteStore::open(&backup.data, Arc::new(SystemClock))?;
    fill(config, &store, &source, backup)?;
    drop(source);
    let side = ["-wal", "-shm"].map(|end| backup.data.join(format!("{DATABASE_FILE}{end}")));
    let whole = [
        backup.data.join(DATABASE_FILE),
        backup.secrets.clone(),
        backup.webhook_key.clone(),
    ];
    for path in side.iter().chain(&whole).filter(|path| path.exists()) {
        std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

/// The key of webhooks, for a tool: it is made by a daemon's first start.
pub fn webhook_key(config: &Config, dirs: &Dirs) -> anyhow::Result<UrlKeys> {
    let made = "`cleanplate serve` makes it at its first start";
    if let Some(address) = &config.database.address {
        let keys = beside(config, address)?.secrets(WEBHOOK_KEYS, &[])?;
        ensure!(
            !keys.is_empty(),
            "{} has no key of webhooks; {made}",
            address.shown()
        );
        return Ok(UrlKeys::of(keys));
    }
    let key = &dirs.webhook_key;
    ensure!(key.exists(), "{} does not exist; {made}", key.display());
    Ok(UrlKeys::load(key)?)
}

/// Takes the keys that sign addresses as they are now.
pub fn refresh(keys: &UrlKeys, shared: Option<&PgStore>, dirs: &Dirs) -> anyhow::Result<usize> {
    match shared {
        None => Ok(keys.read_again(&dirs.secrets)?),
        Some(store) => Ok(keys.replace(store.secrets(URL_KEYS, &[])?)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cleanplate_store::{Accept, FailureCode, Jobs, Leases, Ledger, QueueLimits, WorkerReport};

    use super::*;
    use crate::jobs::tests::new_job;
    use crate::jobs::tests::server::Server;

    fn config(data: &Path, url: &str) -> Config {
        let options = [
            ("--data", "server.data_dir", data.display().to_string()),
            ("--url", "store.url", url.to_string()),
        ];
        crate::config::load(None, std::iter::empty(), &options).unwrap()
    }

    #[test]
    fn what_nobody_waits_for_any_more_ends_on_its_way_into_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        let config = config(dir.path(), &Server::shared().fresh());
        let source = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let account = source.create_account("a", "test").unwrap().id;
        source.top_up(account, 10, "test", "").unwrap();
        let limits = QueueLimits {
            pending_max: 9,
            in_flight_per_key_max: 9,
        };
        let waiting = new_job(account);
        let accepted = source.accept(&waiting, &limits).unwrap();
        assert!(matches!(accepted, Accept::Accepted { .. }));
        // As a backup has it that was taken beside a daemon.
        let report = WorkerReport {
            name: waiting.origin.clone(),
            role: "all".to_string(),
            device: None,
            version: "1".to_string(),
        };
        source.report_worker(&report, 60_000).unwrap();
        UrlKeys::write(&dirs.secrets, &[[2; 32]]).unwrap();
        let store = connect(&config, config.database.address.as_ref().unwrap()).unwrap();
        store.secrets(URL_KEYS, &[[1; 32]]).unwrap();
        fill(&config, &store, &source, &dirs).unwrap();
        let job = store.job(None, waiting.id).unwrap().unwrap();
        assert_eq!(job.failure.unwrap().code, FailureCode::Interrupted);
        let balance = store.balance(account).unwrap();
        assert_eq!((balance.available, balance.held), (10, 0));
        assert_eq!(store.secrets(URL_KEYS, &[]).unwrap(), [[2; 32]]);
    }

    #[test]
    fn who_only_looks_makes_no_tables() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &Server::shared().fresh());
        for _ in 0..2 {
            assert!(as_it_is(&config).unwrap().is_none());
        }
        let address = config.database.address.as_ref().unwrap();
        drop(beside(&config, address).unwrap());
        assert!(as_it_is(&config).unwrap().is_some());
    }
}
