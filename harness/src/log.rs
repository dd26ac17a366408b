//! The request log: what was asked, by whom, with which outcome; kept in memory, and written as JSON lines if asked.
//! Never a value, token, signature or secret: parameters are recorded by allow-list.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Params;
use crate::fault::FaultId;
use crate::service::Service;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRecord {
    /// Counts requests from 1.
    pub number: u64,
    /// When it had arrived, by the cloud's clock.
    pub time: Timestamp,
    /// The connection it came on, counted from 1.
    pub connection: u64,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The verb.
    pub method: String,
    /// The `Host` header without its port.
    pub host: String,
    /// The service it reached.
    pub service: Service,
    /// The operation, or for path-like services the path.
    pub action: String,
    /// The secret, parameter or role it is about.
    pub name: Option<String>,
    /// Its parameters, as far as they cannot be secret.
    pub parameters: BTreeMap<String, String>,
    /// The caller's ARN, if the request was authenticated.
    pub identity: Option<String>,
    /// The request id of the answer.
    pub request_id: String,
    /// The status answered; none while the request is under way.
    pub status: Option<u16>,
    /// The error code answered.
    pub code: Option<String>,
    /// From arrival to the answer's first byte.
    pub latency: Duration,
    /// The fault rules that struck.
    pub faults: Vec<FaultId>,
}

impl RequestRecord {
    /// The record as one JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "time": self.time.to_string(),
            "connection": self.connection,
            "tls": self.tls,
            "method": self.method,
            "host": self.host,
            "service": self.service,
            "action": self.action,
            "name": self.name,
            "parameters": self.parameters,
            "identity": self.identity,
            "request_id": self.request_id,
            "status": self.status,
            "code": self.code,
            "latency_us": u64::try_from(self.latency.as_micros()).unwrap_or(u64::MAX),
            "faults": self.faults.iter().map(|id| id.0).collect::<Vec<_>>(),
        })
    }
}

/// The newest requests, oldest first.
#[derive(Default)]
pub struct Log {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    records: VecDeque<RequestRecord>,
    sink: Option<Box<dyn Write + Send>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({} records)", self.lock().records.len())
    }
}

impl Log {
    /// From now on, writes each finished request as a line of JSON.
    pub fn write_to(&self, sink: Box<dyn Write + Send>) {
        self.lock().sink = Some(sink);
    }

    /// Changes a record for the last time, and writes it if there is where to.
    pub fn close(&self, number: u64, change: impl FnOnce(&mut RequestRecord)) {
        self.update(number, change);
        let mut inner = self.lock();
        let Inner {
            records,
            sink: Some(sink),
            ..
        } = &mut *inner
        else {
            return;
        };
        if let Ok(index) = records.binary_search_by_key(&number, |record| record.number) {
            // A reader that went away stops the writing, not the cloud.
            let failed = writeln!(sink, "{}", records[index].to_json())
                .and_then(|()| sink.flush())
                .is_err();
            if failed {
                inner.sink = None;
            }
        }
    }

    /// Adds a record that just arrived and returns its number.
    pub fn open(&self, mut record: RequestRecord) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        record.number = inner.next;
        if inner.records.len() == MAX_RECORDS {
            inner.records.pop_front();
        }
        let number = record.number;
        inner.records.push_back(record);
        number
    }

    /// Changes a record, unless it was dropped meanwhile.
    pub fn update(&self, number: u64, change: impl FnOnce(&mut RequestRecord)) {
        let mut inner = self.lock();
        if let Ok(index) = inner
            .records
            .binary_search_by_key(&number, |record| record.number)
        {
            change(&mut inner.records[index]);
        }
    }

    /// All records kept, oldest first.
    pub fn records(&self) -> Vec<RequestRecord> {
        self.lock().records.iter().cloned().collect()
    }

    /// Forgets all records; numbers go on.
    pub fn clear(&self) {
        self.lock().records.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds the log")
    }
}

/// The parameters that may be recorded.
pub fn recordable(params: &Params) -> BTreeMap<String, String> {
    params
        .0
        .iter()
        .filter(|(name, _)| RECORDABLE.contains(&name.as_str()))
        .cloned()
        .collect()
}

const RECORDABLE: &[&str] = &[
    "DryRun",
    "DurationSeconds",
    "ExternalId",
    "FetchExtendedConfig",
    "MoveToVersion",
    "Name",
    "Names",
    "OIDCProviderArn",
    "ParameterVersion",
    "Path",
    "RecoveryWindowInDays",
    "RegionId",
    "RemoveFromVersion",
    "RoleArn",
    "RoleSessionName",
    "SecretDataType",
    "SecretName",
    "SecretType",
    "VersionId",
    "VersionStage",
    "WithDecryption",
];
/// About 50 MB of records; tests look at the newest.
const MAX_RECORDS: usize = 65_536;
