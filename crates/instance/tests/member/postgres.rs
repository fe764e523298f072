//! A real PostgreSQL on loopback, run by a user that is not root. Where the machine has none, tests say so and end.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use api_types::Major;
use testkit::authority::Issued;

pub const PASSWORD: &str = "correct horse";

/// What members make for the operators.
const FUNCTIONS: &str = include_str!("../../../blueprint/src/pg/functions.sql");

pub struct Postgres {
    folder: PathBuf,
    bin: PathBuf,
    pub port: u16,
}

impl Postgres {
    /// A new server that is not started; `None`, with the reason printed, when this machine can't run one.
    pub fn prepare(test: &str) -> Option<Self> {
        let skip = |why: &str| eprintln!("SKIPPED {test}: {why}");
        let Some(bin) = newest_installation() else {
            skip("no PostgreSQL under /usr/lib/postgresql");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("sealwright-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let postgres = Self { folder, bin, port };
        if am_root() && postgres.give_away(&postgres.folder).is_none() {
            skip("this is root, and there is no user postgres to run PostgreSQL as");
            return None;
        }
        postgres.write("password", PASSWORD);
        let (data, password) = (postgres.path("data"), postgres.path("password"));
        let made = postgres.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "postgres",
                "--pwfile",
                &password,
                "--auth",
                "scram-sha-256",
                "--no-sync",
                "--no-instructions",
                "-E",
                "UTF8",
                "--locale",
                "C",
            ],
        );
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Members make them in the first of these that is open.
        for database in ["postgres", "template1"] {
            postgres.make_functions(database);
        }
        Some(postgres)
    }

    fn make_functions(&self, database: &str) {
        self.write(
            "functions.sql",
            &format!("CREATE SCHEMA sealwright;\n\n{FUNCTIONS}"),
        );
        let input = fs::File::open(self.path("functions.sql")).unwrap();
        let data = self.path("data");
        let single = ["--single", "-j", "-D", &data, database];
        let made = self.run_with(input.into(), "postgres", &single);
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(
            made.status.success() && !said.contains("ERROR"),
            "functions: {said}"
        );
    }

    /// Major version, from the folder that Debian installs into.
    pub fn major(&self) -> Option<Major> {
        Major::of(self.bin.parent()?.file_name()?.to_str()?)
    }

    /// Makes a file look as if it had been changed then.
    pub fn date(&self, name: &str, changed: std::time::SystemTime) {
        let file = fs::File::options()
            .append(true)
            .open(self.folder.join(name))
            .unwrap();
        file.set_modified(changed).unwrap();
    }

    /// Writes a file of the server, readable by it alone.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if am_root() {
            self.give_away(&path).expect("the user postgres was there before");
        }
    }

    /// Puts a certificate where the server reads it.
    pub fn serve(&self, issued: &Issued) {
        self.write("server.crt", &issued.certificate);
        self.write("server.key", &issued.key);
    }

    pub fn start(&self, parameters: &str, hba: &str) {
        self.try_start(parameters, hba)
            .unwrap_or_else(|log| panic!("{log}"));
    }

    /// What psql of the same version says when it logs in with these options.
    pub fn psql(&self, options: &str) -> Result<(), String> {
        let target = format!(
            "hostaddr=127.0.0.1 port={} user=postgres dbname=postgres {options}",
            self.port
        );
        let run = Command::new(self.bin.join("psql"))
            .args(["-X", "-c", "SELECT 1", &target])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        if run.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&run.stderr).into_owned())
        }
    }

    pub fn stop(&self) {
        let data = self.path("data");
        self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
    }

    /// Starts the server.
    ///
    /// # Errors
    /// Its log, when it does not start.
    pub fn try_start(&self, parameters: &str, hba: &str) -> Result<(), String> {
        self.write("data/pg_hba.conf", hba);
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\n\
             ssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\n{parameters}\n",
            self.port,
            self.path("server.crt"),
            self.path("server.key"),
            self.path("ca.crt"),
        );
        self.write("data/postgresql.auto.conf", &settings);
        let (data, log) = (self.path("data"), self.path("log"));
        let started = self.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "-t", "30", "start"]);
        if started.status.success() {
            Ok(())
        } else {
            Err(fs::read_to_string(log).unwrap_or_default())
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.run_with(Stdio::null(), program, arguments)
    }

    fn run_with(&self, input: Stdio, program: &str, arguments: &[&str]) -> Output {
        let program = self.bin.join(program);
        let mut command = if am_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        // PostgreSQL must not inherit a pipe of ours, or waiting for pg_ctl would wait for the server.
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(input)
            .output()
            .unwrap()
    }

    /// Makes the file the user postgres' own.
    fn give_away(&self, path: &Path) -> Option<()> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        let fields: Vec<&str> = passwd
            .lines()
            .find(|l| l.starts_with("postgres:"))?
            .split(':')
            .collect();
        chown(path, fields.get(2)?.parse().ok(), fields.get(3)?.parse().ok()).ok()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn am_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn newest_installation() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = versions
        .flatten()
        .map(|v| v.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists());
    bins.max()
}
