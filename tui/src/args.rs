//! The command line of the program.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::config::{self, Config, Images};
use crate::net::Target;
use crate::net::target::default_socket;
use crate::screen::action::action_names;

/// Longest token file that is read, bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Terminal dashboard of a Cleanplate daemon: jobs, keys, accounts, folders, models, log.
#[derive(Debug, Parser)]
#[command(
    name = "cleanplate-tui",
    version,
    after_help = "Exit status: 0 quit, 1 failed or ended by a signal, 2 wrong usage or configuration."
)]
pub struct Args {
    /// Admin socket of the daemon [default: admin.sock in its data folder]
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "url",
        env = "CLEANPLATE_ADMIN_SOCKET"
    )]
    socket: Option<PathBuf>,
    /// Address of the daemon's admin listener, such as http://127.0.0.1:8081; needs a token
    #[arg(long, value_name = "URL", env = "CLEANPLATE_ADMIN_URL")]
    url: Option<String>,
    /// File with the admin token for --url; else CLEANPLATE_ADMIN_TOKEN is the token, or CLEANPLATE_ADMIN_TOKEN_FILE its file
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// Refuse everything that changes something
    #[arg(long)]
    readonly: bool,
    /// Theme: terminal, dark, light, or a file that ends in .toml
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// File with keys, colours and settings [default: ~/.config/cleanplate/tui.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How pictures are drawn
    #[arg(long, value_enum)]
    images: Option<Images>,
    /// Take the mouse; the terminal's own selecting then needs shift
    #[arg(long)]
    mouse: bool,
}

/// Everything that the program needs to start.
#[derive(Debug)]
pub struct Start {
    /// The daemon.
    pub target: Target,
    /// Keys, styles, settings.
    pub config: Config,
    /// Whether nothing may be changed.
    pub readonly: bool,
    /// Whether `NO_COLOR` is set.
    pub colourless: bool,
}

impl Args {
    /// Reads the files that are named. Errors are for people.
    pub fn start(self, env: &dyn Fn(&str) -> Option<String>) -> Result<Start, String> {
        let default = config::default_file().filter(|file| self.config.is_none() && file.is_file());
        let mut config = config::load(
            action_names(),
            self.config.as_deref().or(default.as_deref()),
            self.theme.as_deref(),
        )
        .map_err(|problem| problem.to_string())?;
        config.mouse |= self.mouse;
        config.images = self.images.unwrap_or(config.images);
        let colourless = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        if colourless {
            config.theme = config.theme.colourless();
        }
        let target =
            match (self.url, self.socket) {
                (Some(url), _) => {
                    let own = env("CLEANPLATE_ADMIN_TOKEN");
                    let named = env("CLEANPLATE_ADMIN_TOKEN_FILE").map(PathBuf::from);
                    let file = self.token_file.or(named.filter(|_| own.is_none()));
                    let read = file.as_deref().map(token).transpose()?;
                    Target::url(&url, read.or(own))?
                }
                (None, Some(socket)) if !socket.as_os_str().is_empty() => Target::Socket(socket),
                (None, _) => Target::Socket(default_socket().ok_or(
                    "there is no HOME to look for the socket in: name it with --socket PATH",
                )?),
            };
        Ok(Start {
            target,
            config,
            readonly: self.readonly,
            colourless,
        })
    }
}

fn token(file: &Path) -> Result<String, String> {
    let fail = |why: String| format!("{}: {why}", file.display());
    let length = std::fs::metadata(file)
        .map_err(|e| fail(format!("the token cannot be read: {e}")))?
        .len();
    if length > TOKEN_BYTES_MAX {
        return Err(fail(format!("{length} bytes are no token")));
    }
    std::fs::read_to_string(file).map_err(|e| fail(format!("the token cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(args: &[&str], env: &[(&str, &str)]) -> Result<Start, String> {
        let args =
            Args::try_parse_from([&["cleanplate-tui", "--config", "/dev/null"], args].concat())
                .map_err(|e| e.to_string())?;
        args.start(&|name| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_string())
        })
    }

    #[test]
    fn the_daemon_is_named_by_socket_or_address() {
        assert_eq!(
            start(&["--socket", "/run/x.sock"], &[]).unwrap().target,
            Target::Socket("/run/x.sock".into())
        );
        let tcp = start(&["--url", "http://h:1"], &[("CLEANPLATE_ADMIN_TOKEN", "t")]).unwrap();
        assert_eq!(
            tcp.target,
            Target::Tcp {
                authority: "h:1".to_string(),
                token: "t".to_string()
            }
        );
        assert!(
            start(&["--url", "http://h:1"], &[])
                .unwrap_err()
                .contains("--token-file")
        );
        assert!(
            start(
                &["--url", "http://h:1", "--token-file", "/nonexistent/token"],
                &[]
            )
            .unwrap_err()
            .contains("/nonexistent/token")
        );
        let name = format!("cleanplate-tui-token-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "u\n").unwrap();
        let file = ("CLEANPLATE_ADMIN_TOKEN_FILE", path.to_str().unwrap());
        let tcp = |token: &str| Target::Tcp {
            authority: "h:1".to_string(),
            token: token.to_string(),
        };
        let url = ["--url", "http://h:1"];
        assert_eq!(start(&url, &[file]).unwrap().target, tcp("u"));
        let both = [file, ("CLEANPLATE_ADMIN_TOKEN", "t")];
        assert_eq!(start(&url, &both).unwrap().target, tcp("t"));
        std::fs::remove_file(&path).unwrap();
        assert!(start(&["--url", "http://h:1", "--socket", "/x"], &[]).is_err());
    }

    #[test]
    fn no_color_takes_the_colours_away() {
        let style = |env: &[(&str, &str)]| {
            start(&["--theme", "dark", "--socket", "/x"], env)
                .unwrap()
                .config
                .theme
                .style(crate::config::Role::Good)
        };
        assert!(
            style(&[("NO_COLOR", "1")]).fg.is_none() && style(&[("NO_COLOR", "")]).fg.is_some()
        );
        assert!(start(&["--theme", "drak", "--socket", "/x"], &[]).is_err());
    }
}
