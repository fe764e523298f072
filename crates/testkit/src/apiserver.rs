//! A real API server with its own etcd, on loopback, for tests of definitions and admission: no kubelet, no controller.
//!
//! The programs `etcd` and `kube-apiserver` are searched in the folder that `SEALWRIGHT_TOOLS` names, then in `PATH`.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Client, Config, ResourceExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, interval, timeout};

/// Environment variable that names the folder of the programs.
pub const TOOLS: &str = "SEALWRIGHT_TOOLS";
/// Token of the one user there is, an administrator.
const TOKEN: &str = "loopback-test-token";
/// How long the programs get to be ready; 3 s on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How long a definition gets to be served.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs are not on this machine; a test that needs them reports that and is skipped.
    #[error("{0} is neither in the folder ${TOOLS} nor in PATH; `make prepare` builds it")]
    NoProgram(&'static str),
    /// A file or a process could not be made.
    #[error("the test's API server: {0}")]
    Io(#[from] io::Error),
    /// The keys could not be made.
    #[error("a key for service accounts: {0}")]
    Key(#[from] rcgen::Error),
    /// It did not become ready; its log has the reason.
    #[error("the API server was not ready within {}s, see {log}: {last}", READY_WITHIN.as_secs())]
    NotReady {
        /// Its log file.
        log: String,
        /// The last response.
        last: String,
    },
    /// It refused something.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// A definition is not served.
    #[error("{0} is not served: {1}")]
    NotEstablished(String, String),
}

/// A running API server; it ends with the value.
pub struct ApiServer {
    processes: Vec<Child>,
    folder: PathBuf,
    port: u16,
}

/// One server per test binary: tests that run at the same time share it, the last one ends it.
static SHARED: Mutex<Weak<ApiServer>> = Mutex::const_new(Weak::new());

/// The server that the tests of this binary share, with these definitions installed.
///
/// `None` when the programs are not there; the reason is printed, so that a skipped test is seen to be skipped.
pub async fn shared(crds: &[CustomResourceDefinition]) -> Option<Arc<ApiServer>> {
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    match ApiServer::start().await {
        Ok(server) => {
            server
                .install(crds)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            let server = Arc::new(server);
            *shared = Arc::downgrade(&server);
            Some(server)
        }
        Err(Error::NoProgram(program)) => {
            eprintln!("SKIPPED: {}", Error::NoProgram(program));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl ApiServer {
    /// Starts etcd and the API server and waits until it is ready.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start() -> Result<Self, Error> {
        let etcd = program("etcd")?;
        let apiserver = program("kube-apiserver")?;
        let [client_port, peer_port, port] = free_ports()?;
        let folder = env::temp_dir().join(format!("sealwright-apiserver-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut server = Self {
            processes: Vec::new(),
            folder,
            port,
        };
        server.start_etcd(&etcd, client_port, peer_port)?;
        server.start_apiserver(&apiserver, client_port)?;
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// A client with all rights. Clients belong to the runtime they are made on, so every test makes its own.
    pub fn client(&self) -> Client {
        Client::try_from(self.config()).expect("the configuration is complete")
    }

    /// How [`Self::client`] reaches the server; for clients that act as another user.
    pub fn config(&self) -> Config {
        let url = format!("https://127.0.0.1:{}", self.port)
            .parse()
            .expect("a port makes a URL");
        let mut config = Config::new(url);
        // The server signs its own certificate at every start, and listens on loopback only.
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(TOKEN.to_owned().into());
        config
    }

    /// Installs definitions as Helm would and waits until they are served.
    ///
    /// # Errors
    /// When the server refuses one, with its reasons.
    pub async fn install(&self, crds: &[CustomResourceDefinition]) -> Result<(), Error> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        for crd in crds {
            let params = PatchParams::apply("testkit").force().validation_strict();
            api.patch(&crd.name_any(), &params, &Patch::Apply(crd)).await?;
        }
        for crd in crds {
            let name = crd.name_any();
            let served = await_condition(api.clone(), &name, is_crd_established());
            match timeout(ESTABLISHED_WITHIN, served).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(Error::NotEstablished(name, error.to_string())),
                Err(elapsed) => return Err(Error::NotEstablished(name, elapsed.to_string())),
            }
        }
        Ok(())
    }

    /// A namespace of its own for a test.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn namespace(&self, name: &str) -> Result<(), Error> {
        let namespace = Namespace {
            metadata: kube::api::ObjectMeta {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        Api::<Namespace>::all(self.client())
            .patch(name, &PatchParams::apply("testkit"), &Patch::Apply(namespace))
            .await?;
        Ok(())
    }

    fn start_etcd(&mut self, etcd: &Path, client_port: u16, peer_port: u16) -> Result<(), Error> {
        let client = format!("http://127.0.0.1:{client_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let mut command = Command::new(etcd);
        command
            .arg("--data-dir")
            .arg(self.folder.join("etcd"))
            .arg("--unsafe-no-fsync")
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("default={peer}")]);
        self.spawn(command, "etcd.log")
    }

    fn start_apiserver(&mut self, apiserver: &Path, etcd_port: u16) -> Result<(), Error> {
        let key_pair = rcgen::KeyPair::generate()?;
        let key = self.folder.join("service-account.key");
        fs::write(&key, key_pair.serialize_pem())?;
        let public_key = self.folder.join("service-account.pub");
        fs::write(&public_key, key_pair.public_key_pem())?;
        let tokens = self.folder.join("tokens.csv");
        fs::write(&tokens, format!("{TOKEN},admin,admin,system:masters\n"))?;
        let mut command = Command::new(apiserver);
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!("--cert-dir={}", self.folder.join("certs").display()))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-account-key-file={}", public_key.display()))
            .arg(format!("--service-account-signing-key-file={}", key.display()))
            .arg(format!("--token-auth-file={}", tokens.display()))
            .args([
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/24",
            ])
            // No controller makes service accounts here.
            .arg("--disable-admission-plugins=ServiceAccount");
        self.spawn(command, "kube-apiserver.log")
    }

    fn spawn(&mut self, mut command: Command, log: &str) -> Result<(), Error> {
        let log = File::create(self.folder.join(log))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.processes.push(command.spawn()?);
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<(), Error> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let begin = Instant::now();
        let mut tick = interval(Duration::from_millis(100));
        let mut last = String::new();
        while begin.elapsed() < READY_WITHIN {
            tick.tick().await;
            // The namespace `default` is the last thing that a new server makes.
            match timeout(Duration::from_secs(5), namespaces.get("default")).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => last = error.to_string(),
                Err(elapsed) => last = elapsed.to_string(),
            }
            for process in &mut self.processes {
                if let Some(status) = process.try_wait()? {
                    let log = self.folder.display().to_string();
                    let last = format!("a process ended with {status}");
                    return Err(Error::NotReady { log, last });
                }
            }
        }
        let log = self.folder.join("kube-apiserver.log").display().to_string();
        Err(Error::NotReady { log, last })
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // The API server first, so that it does not complain about etcd.
        for process in self.processes.iter_mut().rev() {
            let _gone_already = process.kill();
            let _exit_status = process.wait();
        }
        if !std::thread::panicking() {
            let _left_for_the_temp_cleaner = fs::remove_dir_all(&self.folder);
        }
    }
}

fn program(name: &'static str) -> Result<PathBuf, Error> {
    let tools = env::var_os(TOOLS).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    tools
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or(Error::NoProgram(name))
}

/// Ports without a listener. Held together while they are chosen, so that they differ.
fn free_ports() -> io::Result<[u16; 3]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
