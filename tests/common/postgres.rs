//! A PostgreSQL server of the tests' own: Debian's package, started on a socket in a folder in memory, gone with the process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The user that runs the server where the tests are run by root, which it refuses.
const USER: &str = "postgres";

/// In these the kernel tells programs of processor time.
const TICKS_PER_S: f64 = 100.0;

/// A running server. Its folder goes with it.
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    keeper: Option<Child>,
    port: u16,
    settings: String,
}

impl Server {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Server::start)
    }

    /// A server of one's own, to be stopped and started.
    pub fn start() -> Server {
        Server::with(
            Path::new("/dev/shm"),
            "-c fsync=off -c full_page_writes=off",
        )
    }

    /// One that forces commits to disk, and counts statements: for figures.
    pub fn durable() -> Server {
        Server::with(
            &std::env::temp_dir(),
            "-c shared_preload_libraries=pg_stat_statements -c shared_buffers=256MB",
        )
    }

    /// One of one's own that is also reached over the network, by TLS alone, with the certificate and key that `make` puts as
    /// `server.crt` and `server.key` into a folder.
    pub fn encrypted(make: impl FnOnce(&Path)) -> Server {
        let mut server = Server::start();
        server.down();
        make(&server.folder);
        for name in ["server.crt", "server.key"] {
            let path = server.folder.join(name);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
            if is_root() {
                run(Command::new("chown").arg(USER).arg(&path));
            }
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(server.folder.join("data/pg_hba.conf"), rules).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        server.port = listener.local_addr().unwrap().port();
        drop(listener);
        server.encrypt(true);
        server.up();
        server
    }

    /// Whether it offers TLS from its next start on.
    pub fn encrypt(&mut self, offered: bool) {
        let folder = self.folder.display();
        let tls = if offered { "on" } else { "off" };
        self.settings = format!(
            "-c fsync=off -c listen_addresses=127.0.0.1 -c ssl={tls} -c ssl_cert_file='{folder}/server.crt' \
             -c ssl_key_file='{folder}/server.key'"
        );
    }

    /// Its address over the network under this name of the machine, with these parameters.
    pub fn network_url(&self, host: &str, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://postgres@{host}:{port}/postgres?{parameters}")
    }

    fn with(memory: &Path, settings: &str) -> Server {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("cleanplate-pg-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let mut server = Server {
            folder,
            programs: programs(),
            keeper: None,
            port: 5432,
            settings: settings.to_owned(),
        };
        if is_root() {
            run(Command::new("chown").arg(USER).arg(&server.folder));
        }
        let data = server.folder.join("data");
        run(server
            .program("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(data));
        server.up();
        server
    }

    /// The address of a schema of its own in it; connections to it bear its name.
    pub fn fresh(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        self.url(&format!("schema={name}&application_name={name}"))
    }

    /// Its address with these parameters.
    pub fn url(&self, parameters: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!(
            "postgres://postgres@{host}:{}/postgres?{parameters}",
            self.port
        )
    }

    /// What a statement answers in the schema that [`Server::fresh`] gave this address.
    pub fn ask(&self, url: &str, statement: &str) -> String {
        let schema = url
            .split("schema=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        let path = format!("SET search_path TO {}", schema.unwrap());
        let mut command = self.program("psql");
        command.args([
            "-qAtX",
            "-U",
            "postgres",
            "-p",
            &self.port.to_string(),
            "-h",
        ]);
        command
            .arg(&self.folder)
            .args(["-c", &path, "-c", statement]);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Seconds of processor time that its processes have taken.
    pub fn processor_s(&self) -> f64 {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let server: u32 = file.lines().next().unwrap().parse().unwrap();
        let children = format!("/proc/{server}/task/{server}/children");
        let children = std::fs::read_to_string(children).unwrap();
        let living = children.split_whitespace().map(|pid| ticks(pid).0);
        let (own, ended) = ticks(&server.to_string());
        (own + ended + living.sum::<u64>()) as f64 / TICKS_PER_S
    }

    /// Starts it and waits until it answers.
    pub fn up(&mut self) {
        assert!(self.keeper.is_none(), "it runs");
        let folder = self.folder.display();
        // The server ends when the pipe does: with the tests, however these end.
        let script = format!(
            "exec 3<&0; '{}' -D '{folder}/data' -c listen_addresses= -c unix_socket_directories='{folder}' \
             -c port={} -c max_connections=300 -c shared_buffers=64MB -c logging_collector=off {} \
             >'{folder}/log' 2>&1 </dev/null & server=$!; read -r how <&3; kill -${{how:-QUIT}} $server; wait $server; \
             [ -n \"$how\" ] || rm -rf '{folder}'",
            self.programs.join("postgres").display(),
            self.port,
            self.settings
        );
        let mut command = self.as_user("sh");
        let keeper = command
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let ready = self
                .program("pg_isready")
                .args(["-q", "-p", &self.port.to_string(), "-h"])
                .arg(&self.folder)
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "the server did not start: {log}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Stops it at once, as a crash would: connections break, what was committed is there when it comes up again.
    pub fn down(&mut self) {
        use std::io::Write;
        let mut keeper = self.keeper.take().unwrap();
        keeper.stdin.take().unwrap().write_all(b"QUIT\n").unwrap();
        keeper.wait().unwrap();
    }

    fn program(&self, name: &str) -> Command {
        self.as_user(&self.programs.join(name).display().to_string())
    }

    fn as_user(&self, program: &str) -> Command {
        let mut command;
        if is_root() {
            command = Command::new("runuser");
            command.args(["-u", USER, "--", program]);
        } else {
            command = Command::new(program);
        }
        command.current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Processor time of a process that lives, and of its children that have ended; none of one that is gone.
fn ticks(pid: &str) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program, in brackets, may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let times: Vec<u64> = fields
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse().ok())
        .collect();
    match times[..] {
        [user, system, ended_user, ended_system] => (user + system, ended_user + ended_system),
        _ => (0, 0),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten();
    versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").is_file())
        .max()
        .unwrap_or_else(|| {
            panic!("no PostgreSQL below /usr/lib/postgresql: install Debian's package `postgresql` (tests/all.sh does)")
        })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
}
