use super::*;

fn load(args: &StartArgs, env: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    Settings::from_layers(Layers::gather(args, env))
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn args(config: Option<PathBuf>) -> StartArgs {
    StartArgs {
        cluster_id: Some("1".into()),
        data: Some("/d".into()),
        config,
        ..StartArgs::default()
    }
}

#[test]
fn defaults_fill_what_is_not_given() {
    let s = load(&args(None), &[]).unwrap();
    assert_eq!((s.cluster_id.0, s.name.as_str(), s.user.as_str()), (1, "cluster-1", "root"));
    assert_eq!((s.listen.as_str(), s.memory_limit), ("127.0.0.1:5432", 1 << 30));
    assert_eq!((s.password, s.tls), (None, None));
}

#[test]
fn flag_beats_environment_beats_file() {
    let (_dir, path) =
        file("name = \"f\"\nuser = \"f\"\ncluster_id = 9\nmemory-limit = 268435456\n");
    let s = load(
        &StartArgs { name: Some("flag".into()), ..args(Some(path)) },
        &[("ANTIPODE_NAME", "env"), ("ANTIPODE_USER", "env"), ("HOME", "x")],
    )
    .unwrap();
    assert_eq!((s.name.as_str(), s.user.as_str(), s.cluster_id.0), ("flag", "env", 1));
    assert_eq!(s.memory_limit, 256 << 20);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let (_dir, path) = file("listen = \"nowhere\"\nclusterid = 3\ntls-cert = [1]\n");
    let mistakes = load(
        &StartArgs {
            cluster_id: Some("128".into()),
            config: Some(path.clone()),
            ..Default::default()
        },
        &[("ANTIPODE_MEMORY_LIMIT", "lots"), ("ANTIPODE_DATUM", "/x"), ("ANTIPODE_LOG", "debug")],
    )
    .unwrap_err();
    let all = mistakes.join("\n");
    for wanted in [
        "flag --cluster-id: \"128\" is not a number from 0 to 127",
        "environment variable ANTIPODE_MEMORY_LIMIT: \"lots\" is not a size",
        "environment variable ANTIPODE_DATUM is not a setting (did you mean data?)",
        &format!("{} line 1: listen: \"nowhere\" is not an address", path.display()),
        &format!(
            "{} line 2: clusterid is not a setting (did you mean cluster-id?)",
            path.display()
        ),
        &format!("{} line 3: tls-cert is not a single value", path.display()),
        "data is missing: give --data, ANTIPODE_DATA or data in the file",
    ] {
        assert!(all.contains(wanted), "missing: {wanted}\nin:\n{all}");
    }
    assert_eq!(mistakes.len(), 7, "{all}");
    assert!(mistakes.iter().all(|m| !m.contains('\n')));
}

#[test]
fn a_broken_file_is_one_line_with_its_number() {
    let (_dir, path) = file("name = \"x\"\nlisten = = 3\n");
    let mistakes = load(&args(Some(path.clone())), &[]).unwrap_err();
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].starts_with(&format!("{} line 2: ", path.display())), "{mistakes:?}");
    let gone = load(&args(Some("/no/such.toml".into())), &[]).unwrap_err();
    assert!(gone[0].starts_with("flag --config: cannot read /no/such.toml"), "{gone:?}");
}

#[test]
fn password_comes_from_one_place() {
    let (_dir, path) = file("s3cret\nmore\n");
    let path = path.display().to_string();
    let from_file = StartArgs { password_file: Some(path.clone()), ..args(None) };
    assert_eq!(load(&from_file, &[]).unwrap().password.as_deref(), Some("s3cret"));
    let flag_wins = load(&from_file, &[("ANTIPODE_PASSWORD", "env")]).unwrap();
    assert_eq!(flag_wins.password.as_deref(), Some("s3cret"));
    let both = StartArgs { password: Some("x".into()), ..from_file };
    let mistakes = load(&both, &[]).unwrap_err();
    assert_eq!(mistakes, ["flag --password and flag --password-file contradict each other"]);
}

#[test]
fn a_certificate_needs_its_key() {
    let half = StartArgs { tls_cert: Some("c.pem".into()), ..args(None) };
    assert_eq!(load(&half, &[]).unwrap_err(), ["flag --tls-cert is given but tls-key is not"]);
}

#[test]
fn kubernetes_variables_are_left_alone() {
    let injected =
        [("ANTIPODE_PORT", "tcp://10.0.0.1:5432"), ("ANTIPODE_SERVICE_HOST", "10.0.0.1")];
    assert!(load(&args(None), &injected).is_ok());
}

#[test]
fn a_replica_needs_a_source_and_nobody_else_has_one() {
    let with = |role: Option<&str>, source: Option<&str>| {
        let text = |t: &str| t.to_owned();
        load(&StartArgs { dr_role: role.map(text), dr_source: source.map(text), ..args(None) }, &[])
    };
    assert_eq!(with(None, None).unwrap().dr_role, ClusterRole::Master);
    assert_eq!(with(Some("none"), None).unwrap().dr_role, ClusterRole::None);
    let replica = with(Some("replica"), Some("root:p:w@d@https://east:5433")).unwrap().dr_role;
    let ClusterRole::Replica { source, except } = &replica else { panic!("{replica:?}") };
    assert_eq!((source.user.as_str(), source.password.as_str()), ("root", "p:w@d"));
    assert_eq!((source.host.as_str(), source.port), ("https://east", 5433));
    assert_eq!(except, &["antipode"]);
    assert!(!format!("{replica:?}").contains("p:w"), "{replica:?}");
    for (role, source, told) in [
        (Some("replica"), None, "dr-source is missing: give --dr-source, ANTIPODE_DR_SOURCE"),
        (Some("master"), Some("root@east"), "flag --dr-source is given but dr-role is master"),
        (Some("none"), Some("root@east"), "flag --dr-source is given but dr-role is none"),
        (None, Some("root@east"), "flag --dr-source is given but dr-role is master"),
        (Some("slave"), Some("root@east"), "\"slave\" is not a role (none, master or replica)"),
        (Some("replica"), Some("top-secret"), "flag --dr-source is not a source"),
    ] {
        let mistakes = with(role, source).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].contains(told), "{mistakes:?}");
        assert!(!mistakes[0].contains("top-secret"), "{mistakes:?}");
    }
}
