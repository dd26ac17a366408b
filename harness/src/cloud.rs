//! The fake cloud as tests hold it: start it, ask where it is, change what it knows, break it, read its log.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::fault::{FaultId, FaultRule, Faults};
use crate::gateway::{Gateway, handler};
use crate::http::server::{ConnectionCounts, Connections, Server};
use crate::http::tls::{Authority, Tls};
use crate::ids::Ids;
use crate::log::{Log, RequestRecord};
use crate::service::Service;
use crate::state::parameter::Parameter;
use crate::state::secret::SecretValue;
use crate::state::{LoadError, State};
use crate::world::World;

/// A running fake cloud on loopback; it stops when dropped.
pub struct FakeCloud {
    gateway: Arc<Gateway>,
    server: Server,
    http: SocketAddr,
    https: SocketAddr,
    own_ports: Vec<OwnPort>,
    ca_pem: String,
    kms_instances_pem: String,
}

/// A port of one service only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPort {
    /// The service.
    pub service: Service,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Where it listens.
    pub address: SocketAddr,
}

impl OwnPort {
    /// `http://127.0.0.1:PORT` or `https://localhost:PORT`, as a client on this machine writes it.
    pub fn url(&self) -> String {
        url(self.tls, self.address)
    }
}

impl FakeCloud {
    /// Starts a cloud with the built-in small world on two free ports.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Starts to configure a cloud.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT`
    pub fn http_url(&self) -> String {
        url(false, self.http)
    }

    /// `https://localhost:PORT`; certificates come from [`Self::ca_pem`]'s authority.
    pub fn https_url(&self) -> String {
        url(true, self.https)
    }

    /// The address of the plain HTTP socket.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The address of the TLS socket. It serves any host name below `aliyuncs.com`.
    pub fn https_address(&self) -> SocketAddr {
        self.https
    }

    /// The ports that belong to one service each, in the order in which they were asked for.
    pub fn own_ports(&self) -> &[OwnPort] {
        &self.own_ports
    }

    /// The certificate authority, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The certificate authority of KMS instances (`*.cryptoservice.kms.aliyuncs.com`), in PEM.
    pub fn kms_instances_pem(&self) -> &str {
        &self.kms_instances_pem
    }

    /// Every secret and token that has been given out and may never show up anywhere else.
    pub fn issued(&self) -> Vec<String> {
        self.gateway.world().issued()
    }

    /// Writes [`Self::ca_pem`] to a file.
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, &self.ca_pem)
    }

    /// The first AccessKey pair of the home account's users: id and secret. Both empty if there is none.
    pub fn access_key(&self) -> (String, String) {
        self.with_state(|state| {
            state
                .first_access_key()
                .map(|key| (key.id.clone(), key.secret.clone()))
                .unwrap_or_default()
        })
    }

    /// Gives a KMS secret of the home region a new current version; creates the secret if need be.
    pub fn set_kms_text(&self, name: &str, value: &str) {
        self.gateway.set_kms(name, SecretValue::Text(value.into()));
    }

    /// The same with a binary value.
    pub fn set_kms_binary(&self, name: &str, value: &[u8]) {
        self.gateway.set_kms(name, SecretValue::Binary(value.into()));
    }

    /// Gives an OOS parameter of the home region a new version; creates the parameter if need be.
    pub fn set_oos(&self, name: &str, value: &str) {
        let now = self.gateway.clock.now();
        self.with_state(|state| match state.home().parameters.get_mut(name) {
            Some(parameter) => parameter.put(value, now),
            None => {
                state
                    .home()
                    .parameters
                    .insert(name.into(), Parameter::new(value, now));
            }
        });
    }

    /// Removes a KMS secret of the home region at once, without a recovery window.
    pub fn delete_kms(&self, name: &str) {
        self.with_state(|state| state.home().secrets.remove(name));
    }

    /// Removes an OOS parameter of the home region.
    pub fn delete_oos(&self, name: &str) {
        self.with_state(|state| state.home().parameters.remove(name));
    }

    /// Mints a token of the home cluster's issuer for a pod, as the kubelet passes it on in a mount request. Negative
    /// lifetimes give tokens that are expired.
    pub fn mint_token(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
        lifetime: SignedDuration,
    ) -> String {
        self.gateway
            .mint_token(namespace, service_account, audience, lifetime)
    }

    /// Replaces what the cloud knows by a state file's text. What it has issued stays good; the file's faults take the
    /// place of those of the file before.
    pub fn reload(&self, yaml: &str) -> Result<(), LoadError> {
        self.gateway.reload(State::from_yaml(yaml)?);
        Ok(())
    }

    /// The same with a state that was read already.
    pub fn replace_state(&self, state: State) {
        self.gateway.reload(state);
    }

    /// From now on, writes each finished request as a line of JSON.
    pub fn log_to(&self, sink: Box<dyn io::Write + Send>) {
        self.gateway.log.write_to(sink);
    }

    /// Reads or changes anything the cloud knows. Requests wait meanwhile.
    pub fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.gateway.world().state)
    }

    /// Adds a fault rule behind the others.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        self.gateway.faults.inject(rule)
    }

    /// Removes one fault rule and lets go the requests that it holds.
    pub fn release(&self, id: FaultId) {
        let _gone_already = self.gateway.faults.release(id);
    }

    /// Removes all fault rules and lets go the requests that they hold.
    pub fn clear_faults(&self) {
        self.gateway.faults.clear();
    }

    /// How many requests or handshakes a rule has struck; nothing once it is released.
    pub fn struck(&self, id: FaultId) -> u64 {
        self.gateway.faults.struck(id)
    }

    /// Blocks until so many requests are held by rules with `Fault::Hold`.
    pub fn wait_for_held(&self, count: usize) {
        self.gateway.faults.wait_for_held(count);
    }

    /// The requests so far, oldest first; one under way has no status yet.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.gateway.log.records()
    }

    /// Those of one service.
    pub fn requests_of(&self, service: Service) -> Vec<RequestRecord> {
        let mut requests = self.requests();
        requests.retain(|request| request.service == service);
        requests
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.gateway.log.clear();
    }

    /// Moves the cloud's clock; positive means ahead of the machine.
    pub fn set_clock_offset(&self, offset: SignedDuration) {
        self.gateway.clock.set_offset(offset);
    }

    /// How many connections and TLS handshakes there have been.
    pub fn connections(&self) -> ConnectionCounts {
        self.server.connections().counts()
    }

    /// Closes every open connection, as a load balancer does now and then.
    pub fn close_connections(&self) {
        self.server.connections().close_all_but(None);
    }
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        self.gateway.faults.stop();
    }
}

impl fmt::Debug for FakeCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCloud")
            .field("http", &self.http)
            .field("https", &self.https)
            .finish_non_exhaustive()
    }
}

/// How a fake cloud shall start.
#[derive(Debug, Default)]
pub struct Builder {
    source: Source,
    fixed_time: Option<Timestamp>,
    seed: u64,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    extra_names: Vec<String>,
    own_ports: Vec<OwnPort>,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    SmallWorld,
    Text(String),
    File(PathBuf),
}

impl Builder {
    /// Takes the world from a state file's text.
    pub fn state_yaml(mut self, text: impl Into<String>) -> Self {
        self.source = Source::Text(text.into());
        self
    }

    /// Takes the world from a state file.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Lets the cloud's clock stand still, so that captured requests can be replayed.
    pub fn fixed_time(mut self, time: Timestamp) -> Self {
        self.fixed_time = Some(time);
        self
    }

    /// Chooses the identifiers that the cloud makes up.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The address for plain HTTP; a free port of 127.0.0.1 by default.
    pub fn http_address(mut self, address: SocketAddr) -> Self {
        self.http = Some(address);
        self
    }

    /// The address for TLS; a free port of 127.0.0.1 by default.
    pub fn https_address(mut self, address: SocketAddr) -> Self {
        self.https = Some(address);
        self
    }

    /// One more port, for one service only; port 0 takes any.
    pub fn own_port(mut self, port: OwnPort) -> Self {
        self.own_ports.push(port);
        self
    }

    /// One more host name for certificates, besides `localhost` and those below `aliyuncs.com`.
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.extra_names.push(name.into());
        self
    }

    /// Binds both sockets and serves.
    pub fn start(self) -> Result<FakeCloud, StartError> {
        let state = match self.source {
            Source::SmallWorld => State::small_world(),
            Source::Text(text) => State::from_yaml(&text)?,
            Source::File(path) => {
                let text = std::fs::read_to_string(&path).map_err(|error| StartError::Read(path, error))?;
                State::from_yaml(&text)?
            }
        };
        let authority = Arc::new(Authority::generate(self.extra_names).map_err(StartError::tls)?);
        let ca_pem = authority.pem();
        let kms_instances_pem = authority.kms_instances_pem();
        let connections = Arc::new(Connections::default());
        let gateway = Arc::new(Gateway {
            clock: self.fixed_time.map_or_else(Clock::system, Clock::fixed),
            ids: Ids::new(self.seed),
            world: World::new(state.clone()).map_err(StartError::tls)?.into(),
            faults: Faults::default(),
            log: Log::default(),
            file_faults: Mutex::default(),
            connections: Arc::clone(&connections),
            ca_pem: ca_pem.clone(),
        });
        gateway.reload(state);
        let tls = Tls::new(authority, Arc::clone(&gateway) as _).map_err(StartError::tls)?;
        let tls = Arc::new(tls);
        let mut server = Server::new(handler(&gateway), connections);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut listen = |wanted: SocketAddr, tls, service| {
            server
                .listen(wanted, tls, service)
                .map_err(|error| StartError::Listen(wanted, error))
        };
        let http = listen(self.http.unwrap_or(any), None, None)?;
        let https = listen(self.https.unwrap_or(any), Some(Arc::clone(&tls)), None)?;
        let mut own_ports = self.own_ports;
        for port in &mut own_ports {
            let tls = port.tls.then(|| Arc::clone(&tls));
            port.address = listen(port.address, tls, Some(port.service))?;
        }
        Ok(FakeCloud {
            gateway,
            server,
            http,
            https,
            own_ports,
            ca_pem,
            kms_instances_pem,
        })
    }
}

/// A listening address as a client on this machine writes it: certificates name `localhost`.
pub(crate) fn url(tls: bool, address: SocketAddr) -> String {
    let port = address.port();
    match (tls, address.ip()) {
        (true, _) => format!("https://localhost:{port}"),
        (false, ip) if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST => format!("http://127.0.0.1:{port}"),
        (false, _) => format!("http://{address}"),
    }
}

/// Why a fake cloud did not start.
#[derive(Debug)]
pub enum StartError {
    /// The state file cannot be read.
    Read(PathBuf, io::Error),
    /// The state is wrong.
    State(LoadError),
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The throw-away keys and certificates could not be made.
    Tls(String),
}

impl StartError {
    fn tls(error: impl fmt::Display) -> Self {
        Self::Tls(error.to_string())
    }
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        Self::State(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read state file {}: {error}", path.display()),
            Self::State(error) => write!(f, "{error}"),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Tls(error) => write!(f, "cannot make the throw-away keys and certificates: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
