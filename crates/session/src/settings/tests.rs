use super::*;

fn fresh() -> Settings {
    Settings::new(&BTreeMap::new(), &BTreeMap::new()).expect("defaults")
}

#[test]
fn values_are_checked_and_shown_in_one_form() {
    let mut s = fresh();
    for (name, value, shown) in [
        ("STATEMENT_TIMEOUT", "5000", "5s"),
        ("lock_timeout", "1500", "1500ms"),
        ("extra_float_digits", "3", "3"),
        ("client_encoding", "'utf-8'", "UTF8"),
        ("datestyle", "ISO, DMY", "ISO, DMY"),
        ("timezone", "utc", "UTC"),
        ("TimeZone", "Europe/Berlin", "UTC"),
        ("jit", "FALSE", "off"),
        ("standard_conforming_strings", "on", "on"),
        ("my.own", "x", "x"),
        ("default_transaction_isolation", "READ UNCOMMITTED", "read committed"),
    ] {
        s.set(name, Some(value), false).expect(name);
        assert_eq!(s.get(name).expect(name), shown);
    }
    assert_eq!(s.obeyed().statement_timeout, Some(Duration::from_secs(5)));
    for (name, value, state) in [
        ("nonsense", "1", "42704"),
        ("server_version", "9.6", "55P02"),
        ("standard_conforming_strings", "off", "55P02"),
        ("in_hot_standby", "on", "55P02"),
        ("client_encoding", "latin1", "22023"),
        ("DateStyle", "German", "22023"),
        ("extra_float_digits", "4", "22023"),
        ("statement_timeout", "5 parsecs", "22023"),
        ("jit", "perhaps", "22023"),
    ] {
        assert_eq!(s.set(name, Some(value), false).expect_err(name).state.0, state, "{name}");
    }
    assert_eq!(s.get("nonsense").expect_err("unknown").state, SqlState::UNDEFINED_OBJECT);
}

#[test]
fn rollback_takes_back_set_and_the_end_takes_back_local() {
    let mut s = fresh();
    let mark = s.mark();
    s.set("work_mem", Some("1MB"), false).expect("set");
    s.set("jit", Some("on"), true).expect("set");
    s.back_to(&mark);
    assert_eq!(s.get("work_mem").expect("get"), "4MB");
    assert_eq!(s.get("jit").expect("get"), "off");
    s.set("work_mem", Some("1MB"), false).expect("set");
    s.set("jit", Some("on"), true).expect("set");
    s.end_transaction();
    assert_eq!(s.get("work_mem").expect("get"), "1MB");
    assert_eq!(s.get("jit").expect("get"), "off");
    s.set("work_mem", None, false).expect("default");
    assert_eq!(s.get("work_mem").expect("get"), "4MB");
}

#[test]
fn startup_parameters_are_what_reset_goes_back_to() {
    let startup = BTreeMap::from([("application_name".to_string(), "app".to_string())]);
    let mut s = Settings::new(&BTreeMap::new(), &startup).expect("startup");
    assert!(s.take_changed());
    assert!(!s.take_changed());
    s.set("application_name", Some("other"), false).expect("set");
    s.reset_all();
    assert_eq!(s.get("application_name").expect("get"), "app");
    let bad = BTreeMap::from([("nonsense".to_string(), "1".to_string())]);
    assert!(Settings::new(&BTreeMap::new(), &bad).is_err());
}

#[test]
fn names_in_the_table_are_unique_and_defaults_are_valid() {
    let mut seen = std::collections::BTreeSet::new();
    for d in table::ALL {
        assert!(seen.insert(d.name.to_ascii_lowercase()), "{} twice", d.name);
        if !matches!(d.kind, Kind::Live) {
            value::check(d, d.default).expect(d.name);
        }
    }
}
