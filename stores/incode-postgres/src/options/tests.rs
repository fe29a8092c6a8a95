use super::*;

fn hosts(url: &str) -> Vec<String> {
    Url::parse(url).unwrap().hosts.iter().map(name_of).collect()
}

#[test]
fn each_host_has_a_port_of_its_own() {
    assert_eq!(hosts("postgres://user@one:1,two:2,three/app?connect_timeout=3"), ["one:1", "two:2", "three:5432"]);
    assert_eq!(hosts("postgres://user@/app?host=/run/postgresql"), ["/run/postgresql:5432"]);
    assert_eq!(hosts("postgres://user:a%40b@one/app"), ["one:5432"]);
}

#[test]
fn only_this_machine_is_spoken_to_without_tls() {
    // For what is connected, each host has its own.
    let mode = |url: &str| {
        let url = Url::parse(url).unwrap();
        let used: Vec<_> = url.hosts.iter().map(Config::get_ssl_mode).collect();
        (url.mode, used)
    };
    let all = |(mode, used): (TlsMode, Vec<SslMode>), expected: TlsMode, ssl: SslMode| {
        mode == expected && used.iter().all(|used| *used == ssl)
    };
    for url in ["postgres://localhost/app", "postgres://127.0.0.1,[::1]/app", "postgres:///app?host=/run"] {
        assert!(all(mode(url), TlsMode::Never, SslMode::Disable), "{url}");
    }
    for url in ["postgres://db/app", "postgres://localhost,db/app", "postgres://10.0.0.1/app?sslmode=verify-ca"] {
        assert!(all(mode(url), TlsMode::Required, SslMode::Require), "{url}");
    }
}

#[test]
fn a_name_that_needs_quoting_is_no_schema() {
    for name in ["", "Incode", "1st", "a b", "a\"b", "pg_temp", &"a".repeat(49)] {
        assert!(!is_plain(name), "{name}");
    }
    assert!(is_plain("incode_2"));
}
