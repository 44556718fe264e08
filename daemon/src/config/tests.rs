use super::*;

fn check(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    std::fs::write(&path, text).unwrap();
    load(
        Some(&path),
        std::iter::empty(),
        &[("--data", "server.data_dir", "/data".to_string())],
    )
}

fn messages(text: &str) -> String {
    check(text).unwrap_err().to_string()
}

#[test]
fn structs_and_file_list_the_same_options() {
    let settings = raw::parse(raw::DEFAULTS, "config/cleanplate.toml").unwrap();
    let mut reader = reader::Reader::new(&settings);
    options::read(&mut reader);
    let (asked, problems) = reader.finish();
    assert_eq!(problems, vec![]);
    let listed: std::collections::BTreeSet<String> = settings.keys().cloned().collect();
    assert_eq!(asked, listed);
}

#[test]
fn every_option_of_the_file_has_a_reason() {
    let mut previous = "";
    for line in raw::DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(previous.starts_with("# "), "no comment above {line}");
        }
        previous = line;
    }
}

#[test]
fn unknown_option_names_file_line_and_nearest() {
    let text = messages(
        "[server]\nlisten = \"127.0.0.1:1\"\nlisten_adress = \"x\"\n[limits]\nupload_byte_max = 3\n",
    );
    assert!(
        text.contains(
            "own.toml:3: unknown option `server.listen_adress`; did you mean `server.listen`?"
        ),
        "{text}"
    );
    assert!(text.contains("own.toml:5: unknown option `limits.upload_byte_max`; did you mean `limits.upload_bytes_max`?"), "{text}");
}

#[test]
fn wrong_type_and_range_name_both_sides() {
    let text = messages(
        "[pricing]\nremoval = \"three\"\n[queue]\nlength_max = 0\n[engine]\nbackend = \"cuda\"\n",
    );
    assert!(
        text.contains(
            "own.toml:2: `pricing.removal` must be a whole number from 0 to 1000000, got \"three\""
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "own.toml:4: `queue.length_max` must be a whole number from 1 to 100000, got 0"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "own.toml:6: `engine.backend` must be \"auto\", \"wgpu\" or \"cpu\", got \"cuda\""
        ),
        "{text}"
    );
}

#[test]
fn broken_toml_names_the_line() {
    assert!(messages("[server]\nlisten = \n").contains("own.toml:2: "));
    assert!(messages("listen = 3\n").contains("outside of a section"));
}

#[test]
fn variables_stand_over_the_file_and_flags_over_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    std::fs::write(
        &path,
        "[pricing]\nremoval = 4\nsegmentation = 4\n[queue]\nlength_max = 4\n",
    )
    .unwrap();
    let variables = [
        ("CLEANPLATE_PRICING_SEGMENTATION", "5"),
        ("CLEANPLATE_QUEUE_LENGTH_MAX", "5"),
        ("PATH", "/bin"),
    ];
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    let flags = [
        ("--queue", "queue.length_max", "6".to_string()),
        ("--data", "server.data_dir", "/data".to_string()),
    ];
    let config = load(Some(&path), variables, &flags).unwrap();
    assert_eq!(
        (
            config.pricing.removal,
            config.pricing.segmentation,
            config.queue.length_max
        ),
        (4, 5, 6)
    );
    assert_eq!(config.pipelines.dir, Path::new("/data/pipelines"));
    assert_eq!(config.pipelines.plugins_dir, Path::new("/data/plugins"));
}

#[test]
fn unknown_and_mistyped_variables_are_errors() {
    let variables = [
        ("CLEANPLATE_SERVER_LISTN", "x"),
        ("CLEANPLATE_PRICING_REMOVAL", "x"),
    ];
    let text = load(
        None,
        variables
            .iter()
            .map(|(n, v)| ((*n).to_string(), (*v).to_string())),
        &[],
    )
    .unwrap_err()
    .to_string();
    assert!(
        text.contains("did you mean `CLEANPLATE_SERVER_LISTEN`?"),
        "{text}"
    );
    assert!(
        text.contains(
            "variable CLEANPLATE_PRICING_REMOVAL: `pricing.removal` is a whole number, got `x`"
        ),
        "{text}"
    );
}

#[test]
fn addresses_may_not_outlive_results() {
    assert!(messages("[results]\nkeep_h = 1\n").contains("outlive"));
    assert!(check("[results]\nkeep_h = 1\nurl_ttl_s = 60\n").is_ok());
}

#[test]
fn upload_time_grows_with_size_up_to_the_limit() {
    let time = check("").unwrap().server.upload;
    assert_eq!(time.limit(0).as_secs(), 15);
    assert_eq!(time.limit(65_536 * 10).as_secs(), 25);
    assert_eq!(time.limit(1 << 40).as_secs(), 120);
}

#[test]
fn hot_folders_stand_over_the_common_options() {
    let text = "[hot_folders]\nsettle_ms = 500\nscan_s = 9\n[[hot_folder]]\npath = \"/srv/a\"\naccount = 2\nsettle_ms = 700\n[[hot_folder]]\npath = \"/srv/b\"\naccount = \"studio\"\nname = \"second\"\noutput = \"/srv/out\"\n";
    let folders = check(text).unwrap().hot_folders;
    assert_eq!(
        (
            folders[0].rules.settle.as_millis(),
            folders[0].rules.scan.as_secs()
        ),
        (700, 9)
    );
    assert_eq!(
        (
            folders[1].rules.settle.as_millis(),
            folders[1].name.as_str()
        ),
        (500, "second")
    );
    assert_eq!(
        (folders[0].name.as_str(), folders[0].output.as_path()),
        ("a", Path::new("/srv/a/output"))
    );
    assert_eq!(
        folders[0].account,
        Some(Payer::Id(cleanplate_store::AccountId(2)))
    );
    assert_eq!(folders[1].account, Some(Payer::Name("studio".to_string())));
}

#[test]
fn hot_folders_that_cannot_work_are_named_by_line() {
    let table = |more: &str| format!("[[hot_folder]]\npath = \"/srv/a\"\naccount = 1\n{more}\n");
    assert!(
        messages(&table("pathh = 3")).contains("own.toml:4: unknown option `hot_folder.0.pathh`"),
        "{}",
        messages(&table("pathh = 3"))
    );
    assert!(
        messages(&table("settle_ms = 1"))
            .contains("own.toml:4: `hot_folder.0.settle_ms` must be a whole number from 50")
    );
    assert!(messages("[[hot_folder]]\npath = \"/srv/a\"\n").contains("account"));
    assert!(messages(&table("output = \"/srv/a/x\"")).contains("lies in the watched folder"));
    assert!(
        messages(&format!("{}{}", table(""), table("name = \"b\"")))
            .contains("folders must be apart")
    );
    let apart = "[[hot_folder]]\npath = \"/srv/b\"\naccount = 1\noutput = \"/srv/a/in\"\n";
    assert!(
        messages(&format!("{}{apart}", table(""))).contains("lies in the watched folder /srv/a")
    );
}

#[test]
fn the_admin_port_needs_a_good_token() {
    let long = "0123456789abcdef0123456789abcdef";
    let open = "[admin]\nlisten = \"127.0.0.1:8081\"\n";
    assert!(
        messages(open).contains("own.toml:2: `admin.listen` is set but `admin.tokens` is empty"),
        "{}",
        messages(open)
    );
    let admin = check(&format!("{open}tokens = [\"ada:{long}\"]\n"))
        .unwrap()
        .admin;
    assert_eq!(
        (
            admin.tokens[0].name.as_str(),
            admin.tokens[0].secret.as_str()
        ),
        ("ada", long)
    );
    assert!(!format!("{admin:?}").contains(long));
    for (tokens, word) in [
        (format!("[\"ada:{}\"]", &long[..31]), "less than 32"),
        (format!("[\"{long}\"]"), "NAME:TOKEN"),
        (format!("[\"a b:{long}\"]"), "NAME:TOKEN"),
        (
            format!("[\"ada:{long}\", \"ada:{long}\"]"),
            "entry 2 of `admin.tokens` has the name of an earlier one",
        ),
        (format!("\"ada:{long}\""), "a list of strings"),
    ] {
        let text = messages(&format!("{open}tokens = {tokens}\n"));
        assert!(text.contains(word) && !text.contains(&long[..31]), "{text}");
    }
}

#[test]
fn the_admin_socket_lies_in_the_data_folder() {
    let socket = |text: &str| check(text).unwrap().admin.socket;
    assert_eq!(socket(""), Some(PathBuf::from("/data/admin.sock")));
    assert_eq!(
        socket("[admin]\nsocket = \"/run/cp.sock\"\n"),
        Some(PathBuf::from("/run/cp.sock"))
    );
    assert_eq!(socket("[admin]\nsocket = \"off\"\n"), None);
}

#[test]
fn options_are_shown_with_their_origin_and_secrets_are_not() {
    let config = check(
        "[admin]\ntokens = [\"ada:0123456789abcdef0123456789abcdef\"]\n[queue]\nlength_max = 7\n",
    )
    .unwrap();
    let shown: Vec<Shown> = config.source.options().collect();
    let of = |path: &str| shown.iter().find(|option| option.path == path).unwrap();
    let tokens = of("admin.tokens");
    assert!(tokens.secret && !tokens.default && tokens.value.is_null());
    let length = of("queue.length_max");
    assert_eq!((length.value.clone(), length.default), (7.into(), false));
    assert!(length.origin.ends_with("own.toml:4"), "{}", length.origin);
    assert!(of("queue.attempts_max").default);
    assert!(of("server.data_dir").origin.contains("--data"));
    assert!(
        !is_secret("limits.upload_bytes_max")
            && is_secret("webhooks.secret")
            && is_secret("x.api_token")
    );
}
