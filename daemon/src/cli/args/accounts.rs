//! Arguments of who may use the service, and what they pay with.

use clap::Subcommand;

use super::{Output, Place};

/// `keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Create a key; it is shown once
    #[command(
        after_help = "Example:\n  cleanplate keys create --name laptop --account studio --expires-in 90"
    )]
    Create {
        /// Name, to recognise it by
        #[arg(long, default_value = "key")]
        name: String,
        /// Account that pays; the first one if not given
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// Removals per minute, instead of the configured limit
        #[arg(long, value_name = "N")]
        removals_per_minute: Option<u32>,
        /// Days until it stops working
        #[arg(long, value_name = "DAYS")]
        expires_in: Option<u32>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// List keys, without their secrets
    #[command(after_help = "Example:\n  cleanplate keys list --account studio")]
    List {
        /// Only keys of this account
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Revoke a key; result addresses made for it die too
    #[command(after_help = "Example:\n  cleanplate keys revoke 3")]
    Revoke {
        /// Id of the key
        id: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
}

/// `accounts`
#[derive(Debug, Subcommand)]
pub enum AccountsCommand {
    /// Create an account
    #[command(after_help = "Example:\n  cleanplate accounts create studio --credits 500")]
    Create {
        /// Name
        name: String,
        /// Credits to start with
        #[arg(long, default_value_t = 0)]
        credits: i64,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// List accounts with their balances
    #[command(after_help = "Example:\n  cleanplate accounts list --json")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Add credits; a negative number takes them back
    #[command(after_help = "Example:\n  cleanplate accounts top-up studio 300 --note invoice-17")]
    TopUp {
        /// Id or name of the account
        id: String,
        /// Credits
        #[arg(allow_negative_numbers = true)]
        credits: i64,
        /// Reason, kept in the ledger
        #[arg(long, default_value = "top-up")]
        note: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Show the ledger of an account, newest first
    #[command(after_help = "Example:\n  cleanplate accounts ledger studio --limit 20")]
    Ledger {
        /// Id or name of the account
        id: String,
        /// Entries to show
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
}
