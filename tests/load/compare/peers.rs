//! What others would take instead, set up as near to the gate as each of them can be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::keys::{AUDIENCE, Algorithm, ISSUER, Keys, device_name};
use super::program::Program;

/// A proxy that the gate is measured beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// hyper and rustls with nothing around them.
    Floor,
    HaproxyMtls,
    HaproxyJwt,
    NginxMtls,
    EnvoyMtls,
    EnvoyJwt,
}

/// One that runs.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) program: Program,
    pub(crate) at: SocketAddr,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] =
        [Self::Floor, Self::HaproxyMtls, Self::HaproxyJwt, Self::NginxMtls, Self::EnvoyMtls, Self::EnvoyJwt];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "bare hyper",
            Self::HaproxyMtls => "HAProxy mTLS",
            Self::HaproxyJwt => "HAProxy mTLS + jwt_verify",
            Self::NginxMtls => "nginx mTLS",
            Self::EnvoyMtls => "Envoy mTLS",
            Self::EnvoyJwt => "Envoy mTLS + jwt_authn + RBAC",
        }
    }

    /// It looks at tokens, and refuses bad ones.
    pub(crate) fn authorizes(self) -> bool {
        matches!(self, Self::HaproxyJwt | Self::EnvoyJwt)
    }

    /// Its program, if it is installed.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Floor => std::env::current_exe().ok(),
            Self::HaproxyMtls | Self::HaproxyJwt => find("haproxy"),
            Self::NginxMtls => find("nginx"),
            Self::EnvoyMtls | Self::EnvoyJwt => std::env::var_os("ENVOY").map(PathBuf::from).or_else(|| find("envoy")),
        }
    }

    /// What it says of its version.
    pub(crate) fn version(self) -> Option<String> {
        if self == Self::Floor {
            return None;
        }
        let argument = if matches!(self, Self::EnvoyMtls | Self::EnvoyJwt) { "--version" } else { "-v" };
        let said = Command::new(self.program()?).arg(argument).output().ok()?;
        let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        let words = said.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(match self {
            // Its path stands before the version, the numbers of its build around it.
            Self::EnvoyMtls | Self::EnvoyJwt => format!("Envoy {}", words.rsplit_once("version: ")?.1.split('/').nth(1)?),
            Self::NginxMtls => words.trim_start_matches("nginx version: ").to_owned(),
            _ => words.trim_end_matches(" - https://haproxy.org/").to_owned(),
        })
    }

    /// Starts it, if it is installed.
    pub(crate) fn start(self, processor: usize, folder: &Path, keys: &Keys, upstream: SocketAddr) -> Option<Running> {
        let binary = self.program()?.display().to_string();
        let at = super::place::free_address();
        let words = Words { folder, keys: &keys.folder, at, upstream };
        let file = folder.join(format!("{self:?}.conf"));
        let config = file.display().to_string();
        let (text, arguments) = match self {
            Self::Floor => {
                let folder = keys.folder.display().to_string();
                (String::new(), vec!["floor".to_owned(), at.to_string(), upstream.to_string(), folder])
            }
            Self::HaproxyMtls => (words.haproxy(""), ["-db", "-f", &config].map(str::to_owned).to_vec()),
            Self::HaproxyJwt => (words.haproxy(&words.haproxy_rules()), ["-db", "-f", &config].map(str::to_owned).to_vec()),
            Self::NginxMtls => (words.nginx(), ["-c", &config].map(str::to_owned).to_vec()),
            Self::EnvoyMtls | Self::EnvoyJwt => {
                let options = ["-c", &config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"];
                (words.envoy(self == Self::EnvoyJwt).to_string(), options.map(str::to_owned).to_vec())
            }
        };
        // Envoy knows by its ending what a file is.
        let file = if binary.ends_with("envoy") { file.with_extension("json") } else { file };
        std::fs::write(&file, text).unwrap();
        let arguments: Vec<String> =
            arguments.into_iter().map(|word| if word == config { file.display().to_string() } else { word }).collect();
        let command: Vec<&str> = std::iter::once(binary.as_str()).chain(arguments.iter().map(String::as_str)).collect();
        let mut program = Program::start(&format!("{self:?}"), processor, folder, &command);
        program.listens(at);
        Some(Running { peer: self, program, at })
    }
}

/// What configurations are made of.
struct Words<'a> {
    folder: &'a Path,
    keys: &'a Path,
    at: SocketAddr,
    upstream: SocketAddr,
}

impl Words<'_> {
    /// One thread, a log line for each request, kept connections to the upstream.
    fn haproxy(&self, rules: &str) -> String {
        let (keys, at, upstream) = (self.keys.display(), self.at, self.upstream);
        format!(
            "global
  nbthread 1
  maxconn 9000
  log stdout format raw local0 info
  ssl-default-bind-options ssl-min-ver TLSv1.3

defaults
  mode http
  log global
  option httplog
  http-reuse always
  timeout connect 5s
  timeout client 5m
  timeout server 5m
  timeout tunnel 5m
  timeout http-keep-alive 5m

frontend gate
  bind {at} ssl crt {keys}/server.both.pem ca-file {keys}/ca.pem verify required alpn h2,http/1.1
{rules}  default_backend app

backend app
  server one {upstream}
"
        )
    }

    /// All that the gate asks of a token and its device that HAProxy can ask: algorithm, signature, issuer, audience, expiry, role,
    /// certificate.
    fn haproxy_rules(&self) -> String {
        let keys = self.keys.display();
        format!(
            "  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request set-var(txn.issuer) var(txn.token),jwt_payload_query('$.iss')
  http-request set-var(txn.audience) var(txn.token),jwt_payload_query('$.aud')
  http-request set-var(txn.expiry) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.role) var(txn.token),jwt_payload_query('$.role')
  http-request set-var(txn.now) date()
  acl is_rsa var(txn.alg) -m str RS256
  acl is_p256 var(txn.alg) -m str ES256
  acl rsa_signed var(txn.token),jwt_verify(\"RS256\",\"{keys}/rs256.pem\") -m int 1
  acl p256_signed var(txn.token),jwt_verify(\"ES256\",\"{keys}/es256.pem\") -m int 1
  http-request deny deny_status 401 unless is_rsa || is_p256
  http-request deny deny_status 401 unless {{ var(txn.issuer) -m str {ISSUER} }}
  http-request deny deny_status 401 unless {{ var(txn.audience) -m str {AUDIENCE} }}
  http-request deny deny_status 401 if {{ var(txn.expiry),sub(txn.now) -m int lt 0 }}
  http-request deny deny_status 401 if is_rsa !rsa_signed
  http-request deny deny_status 401 if is_p256 !p256_signed
  http-request deny deny_status 403 unless {{ var(txn.role) -m str admin }}
  http-request deny deny_status 403 unless {{ ssl_c_s_dn(cn) -m str 'a device' }}
"
        )
    }

    /// One worker, and a log that is written 64 kB at a time.
    fn nginx(&self) -> String {
        let (folder, keys, at, upstream) = (self.folder.display(), self.keys.display(), self.at, self.upstream);
        let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path {folder}/nginx-{kind};\n"))
            .concat();
        format!(
            "daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;
events {{ worker_connections 18000; }}
http {{
{bodies}  access_log {folder}/nginx.access combined buffer=64k flush=1s;
  server_tokens off;
  keepalive_timeout 5m;
  keepalive_requests 1000000000;
  upstream app {{
    server {upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 5m;
  }}
  server {{
    listen {at} ssl http2 backlog=4096;
    ssl_certificate {keys}/server.pem;
    ssl_certificate_key {keys}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache off;
    ssl_client_certificate {keys}/ca.pem;
    ssl_verify_client on;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    location / {{ proxy_pass http://app; proxy_set_header Connection \"\"; }}
    location /socket {{ proxy_pass http://app; proxy_set_header Connection upgrade; proxy_set_header Upgrade $http_upgrade; }}
  }}
}}
"
        )
    }

    /// One worker, a log line for each request; with rules, a cache of tokens that were verified.
    fn envoy(&self, rules: bool) -> Value {
        let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
        let key = |name: &str| json!({ "filename": self.keys.join(name) });
        let socket = |at: SocketAddr| json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": kind("filters.http.router.v3.Router") },
        });
        let mut filters = Vec::new();
        if rules {
            filters.push(json!({
                "name": "envoy.filters.http.jwt_authn",
                "typed_config": {
                    "@type": kind("filters.http.jwt_authn.v3.JwtAuthentication"),
                    "providers": { "corp": {
                        "issuer": ISSUER, "audiences": [AUDIENCE], "forward": true, "payload_in_metadata": "token",
                        "local_jwks": key("jwks.json"), "jwt_cache_config": { "jwt_cache_size": 1000 },
                    } },
                    "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "corp" } }],
                },
            }));
            let device = (0..super::keys::DEVICES)
                .map(|number| json!({ "authenticated": { "principal_name": { "exact": device_name(number) } } }));
            let role = json!({ "metadata": {
                "filter": "envoy.filters.http.jwt_authn",
                "path": [{ "key": "token" }, { "key": "role" }],
                "value": { "string_match": { "exact": "admin" } },
            } });
            let known = json!({ "or_ids": { "ids": device.collect::<Vec<_>>() } });
            filters.push(json!({
                "name": "envoy.filters.http.rbac",
                "typed_config": {
                    "@type": kind("filters.http.rbac.v3.RBAC"),
                    "rules": { "action": "ALLOW", "policies": { "administrators": {
                        "permissions": [{ "any": true }],
                        "principals": [{ "and_ids": { "ids": [known, role] } }],
                    } } },
                },
            }));
        }
        filters.push(router);
        let manager = json!({
            "@type": kind("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "gate",
            "stream_idle_timeout": "300s",
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": kind("access_loggers.file.v3.FileAccessLog"),
                    "path": self.folder.join(if rules { "envoy-jwt.access" } else { "envoy.access" }),
                },
            }],
            "route_config": { "virtual_hosts": [{
                "name": "all", "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "app", "timeout": "120s" } }],
            }] },
            "http_filters": filters,
        });
        let tls = json!({
            "@type": kind("transport_sockets.tls.v3.DownstreamTlsContext"),
            "require_client_certificate": true,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [{ "certificate_chain": key("server.pem"), "private_key": key("server.key") }],
                "validation_context": { "trusted_ca": key("ca.pem") },
            },
        });
        let many = json!({ "max_connections": 9000, "max_pending_requests": 9000, "max_requests": 9000 });
        json!({ "static_resources": {
            "listeners": [{
                "name": "gate", "address": socket(self.at),
                "filter_chains": [{
                    "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": tls },
                    "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }],
                }],
            }],
            "clusters": [{
                "name": "app", "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": { "thresholds": [many] },
                "load_assignment": {
                    "cluster_name": "app",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket(self.upstream) } }] }],
                },
            }],
        } })
    }
}

/// The algorithms that the authorizing peers and the gate are tried with.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Where Debian has servers, which is not on everybody's path.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
