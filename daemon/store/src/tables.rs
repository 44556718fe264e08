//! The tables of a store and their columns, as far as every back end has them: what is copied from one to another.

use rusqlite::types::Value;

/// What a column holds, however a back end stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Whole,
    /// A number with a fraction.
    Real,
    /// Yes or no.
    Flag,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// A random identifier.
    Random,
}

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// Column that rows are copied in the order of.
    pub(crate) order: &'static str,
}

impl Table {
    /// Its columns, for a statement.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// Place of a column.
    pub(crate) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| *name == column)
    }
}

/// A row, in the order of its table's columns.
pub(crate) type Cells = Vec<Value>;

use Kind::{Bytes, Flag, Random, Real, Text, Whole};

/// All tables with content that lasts, each after those that it refers to. What processes are doing at the moment is left out.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "account",
        order: "id",
        columns: &[
            ("id", Whole),
            ("name", Text),
            ("available", Whole),
            ("held", Whole),
            ("created_at_ms", Whole),
        ],
    },
    Table {
        name: "api_key",
        order: "id",
        columns: &[
            ("id", Whole),
            ("account_id", Whole),
            ("hash", Bytes),
            ("name", Text),
            ("shown_prefix", Text),
            ("shown_suffix", Text),
            ("removals_per_minute", Whole),
            ("batches_per_minute", Whole),
            ("pipelines", Text),
            ("expires_at_ms", Whole),
            ("revoked_at_ms", Whole),
            ("deleted_at_ms", Whole),
            ("created_at_ms", Whole),
            ("last_used_at_ms", Whole),
            ("url_epoch", Whole),
        ],
    },
    Table {
        name: "audit",
        order: "id",
        columns: &[
            ("id", Whole),
            ("actor", Text),
            ("action", Text),
            ("target", Text),
            ("detail", Text),
            ("created_at_ms", Whole),
        ],
    },
    Table {
        name: "batch",
        order: "id",
        columns: &[
            ("id", Random),
            ("account_id", Whole),
            ("key_id", Whole),
            ("pairs", Whole),
            ("asynchronous", Flag),
            ("created_at_ms", Whole),
            ("answered_at_ms", Whole),
            ("interrupted", Flag),
            ("origin", Text),
        ],
    },
    Table {
        name: "job",
        order: "seq",
        columns: &[
            ("seq", Whole),
            ("id", Random),
            ("account_id", Whole),
            ("key_id", Whole),
            ("batch_id", Random),
            ("batch_index", Whole),
            ("service", Text),
            ("pipeline", Text),
            ("asynchronous", Flag),
            ("status", Text),
            ("attempt", Whole),
            ("price", Whole),
            ("reserved", Flag),
            ("lane", Whole),
            ("turn", Whole),
            ("input_filename", Text),
            ("original_width", Whole),
            ("original_height", Whole),
            ("request", Text),
            ("origin", Text),
            ("worker", Text),
            ("lease_until_ms", Whole),
            ("created_at_ms", Whole),
            ("started_at_ms", Whole),
            ("finished_at_ms", Whole),
            ("error_code", Text),
            ("error_detail", Text),
            ("output_name", Text),
            ("output_sha256", Bytes),
            ("output_bytes", Whole),
            ("output_media_type", Text),
            ("mask_name", Text),
            ("mask_sha256", Bytes),
            ("mask_bytes", Whole),
            ("mask_media_type", Text),
            ("output_width", Whole),
            ("output_height", Whole),
            ("credits", Whole),
            ("processing_ms", Real),
            ("timings", Text),
            ("models", Text),
            ("device", Text),
            ("warnings", Text),
            ("candidates", Text),
            ("expires_at_ms", Whole),
            ("swept_at_ms", Whole),
        ],
    },
    Table {
        name: "ledger",
        order: "id",
        columns: &[
            ("id", Whole),
            ("account_id", Whole),
            ("kind", Text),
            ("job_id", Random),
            ("audit_id", Whole),
            ("available_change", Whole),
            ("held_change", Whole),
            ("available_after", Whole),
            ("held_after", Whole),
            ("created_at_ms", Whole),
        ],
    },
    Table {
        name: "idempotency",
        order: "created_at_ms",
        columns: &[
            ("scope", Text),
            ("key", Text),
            ("request_hash", Bytes),
            ("job_id", Random),
            ("batch_id", Random),
            ("reply_status", Whole),
            ("reply_body", Bytes),
            ("created_at_ms", Whole),
            ("expires_at_ms", Whole),
        ],
    },
    Table {
        name: "webhook",
        order: "created_at_ms",
        columns: &[
            ("job_id", Random),
            ("url", Text),
            ("attempts", Whole),
            ("next_at_ms", Whole),
            ("delivered_at_ms", Whole),
            ("last_error", Text),
            ("created_at_ms", Whole),
        ],
    },
];

/// What is compared after a copy: rows of each table, and the credits of each account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Name and number of rows of each table that is copied.
    pub rows: Vec<(&'static str, u64)>,
    /// Number, available and held credits of each account.
    pub balances: Vec<(i64, i64, i64)>,
    /// Sums of the ledger's changes of available and of held credits.
    pub moved: (i64, i64),
}
