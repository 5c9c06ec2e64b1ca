use super::*;
use base::SqlType::{
    BigInt, Bool, Bytea, Char, Date, Double, Int, Jsonb, Numeric, Real, SmallInt, Text, Time,
    Timestamp, TimestampTz, Uuid, Varchar,
};
use proptest::prelude::*;

/// What a text reads and shows as.
fn shown(ty: SqlType, text: &str) -> String {
    format(ty, &parse(ty, text).unwrap_or_else(|e| panic!("{ty} {text:?}: {e:?}")))
}

fn state(ty: SqlType, text: &str) -> &'static str {
    match parse(ty, text) {
        Ok(value) => panic!("{ty} {text:?} was read as {value:?}"),
        Err(e) => e.state.0,
    }
}

fn message(ty: SqlType, text: &str) -> String {
    parse(ty, text).expect_err("a bad text").into_report().message
}

#[test]
fn booleans() {
    for text in ["t", "true", " TRUE ", "y", "ye", "yes", "on", "1", "tr"] {
        assert_eq!(parse(Bool, text).unwrap(), Value::Bool(true), "{text}");
    }
    for text in ["f", "false", "n", "no", "of", "off", "0", "FAL"] {
        assert_eq!(parse(Bool, text).unwrap(), Value::Bool(false), "{text}");
    }
    for text in ["", "o", "2", "truee", "10", "null"] {
        assert_eq!(state(Bool, text), "22P02", "{text}");
    }
    assert_eq!((shown(Bool, "yes"), shown(Bool, "no")), ("t".into(), "f".into()));
}

#[test]
fn integers_and_their_ranges() {
    for (ty, least, most) in [
        (SmallInt, "-32768", "32767"),
        (Int, "-2147483648", "2147483647"),
        (BigInt, "-9223372036854775808", "9223372036854775807"),
    ] {
        assert_eq!(shown(ty, least), least);
        assert_eq!(shown(ty, &format!(" +{most} ")), most);
        for beyond in [format!("{most}0"), format!("{}9", &least[..least.len() - 1])] {
            assert_eq!(state(ty, &beyond), "22003", "{beyond}");
        }
    }
    assert_eq!(shown(Int, "-0007"), "-7");
    for text in ["", " ", "-", "1.0", "1e3", "0x10", "1 2", "--1", "١", "1_000"] {
        assert_eq!(state(Int, text), "22P02", "{text:?}");
    }
    assert_eq!(message(Int, "x"), "invalid input syntax for type integer: \"x\"");
    assert_eq!(message(SmallInt, "40000"), "value \"40000\" is out of range for type smallint");
}

#[test]
fn floats_show_their_shortest_digits() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "-0"),
        ("1.50", "1.5"),
        ("0.1", "0.1"),
        ("1e14", "100000000000000"),
        ("123456789012345", "123456789012345"),
        ("1e15", "1e+15"),
        ("1.5e300", "1.5e+300"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-1.234567890123456e-7", "-1.234567890123456e-07"),
        ("NaN", "NaN"),
        ("inf", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("5e-324", "5e-324"),
    ] {
        assert_eq!(shown(Double, text), expected, "{text}");
    }
    for (text, expected) in
        [("123456", "123456"), ("1234567", "1.234567e+06"), ("0.1", "0.1"), ("1e-5", "1e-05")]
    {
        assert_eq!(shown(Real, text), expected, "{text}");
    }
    assert_eq!((state(Double, "1e400"), state(Double, "1e-400")), ("22003", "22003"));
    assert_eq!((state(Real, "1e39"), state(Real, "1e-60")), ("22003", "22003"));
    assert_eq!((state(Double, ""), state(Double, "1.2.3")), ("22P02", "22P02"));
}

#[test]
fn numerics_round_half_away_from_zero_and_overflow() {
    let ty = Numeric { precision: 5, scale: 2 };
    for (text, expected) in [
        ("1", "1.00"),
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("1.0049999", "1.00"),
        (" .5 ", "0.50"),
        ("-0.004", "0.00"),
        ("999.99", "999.99"),
        ("1e2", "100.00"),
        ("1.5e-1", "0.15"),
        ("0e999", "0.00"),
        ("5e-3", "0.01"),
        ("5e-4", "0.00"),
        ("000000000000000000000000000000000000000000001", "1.00"),
    ] {
        assert_eq!(shown(ty, text), expected, "{text}");
    }
    for text in ["1000", "999.995", "1e9", "1e999999999", "99999999999999999999999999999999999999"]
    {
        assert_eq!(state(ty, text), "22003", "{text}");
    }
    for text in ["", ".", "-", "1.2.3", "1e", "abc", "1 2"] {
        assert_eq!(state(ty, text), "22P02", "{text:?}");
    }
    assert_eq!(state(ty, "NaN"), "0A000");
    assert_eq!(shown(Numeric { precision: 2, scale: 2 }, "0.99"), "0.99");
    assert_eq!(state(Numeric { precision: 2, scale: 2 }, "0.995"), "22003");
    let whole = "99999999999999999999999999999999999999";
    assert_eq!(shown(Numeric { precision: 38, scale: 0 }, whole), whole);
}

#[test]
fn texts_have_lengths_in_characters() {
    assert_eq!(shown(Text, "  ä  "), "  ä  ");
    assert_eq!(shown(Varchar(3), "äöü"), "äöü");
    assert_eq!(shown(Varchar(3), "abc   "), "abc");
    assert_eq!(state(Varchar(3), "abcd"), "22001");
    assert_eq!(message(Varchar(3), "abcd"), "value too long for type character varying(3)");
    assert_eq!(shown(Char(4), "äb"), "äb  ");
    assert_eq!(shown(Char(2), "ab    "), "ab");
    assert_eq!(state(Char(2), "ab c"), "22001");
    assert_eq!(state(Text, "a\0"), "22021");
}

#[test]
fn byte_strings_in_both_forms() {
    for (text, expected) in [
        ("\\x", "\\x"),
        ("\\xDEad BE ef", "\\xdeadbeef"),
        ("abc", "\\x616263"),
        ("a\\\\\\000\\377", "\\x615c00ff"),
        ("ä", "\\xc3a4"),
    ] {
        assert_eq!(shown(Bytea, text), expected, "{text}");
    }
    assert_eq!((state(Bytea, "\\x1"), state(Bytea, "\\xzz")), ("22023", "22023"));
    assert_eq!((state(Bytea, "\\9"), state(Bytea, "a\\")), ("22P02", "22P02"));
}

#[test]
fn dates_in_many_forms() {
    for (text, expected) in [
        ("2024-02-29", "2024-02-29"),
        (" 1970-01-01 ", "1970-01-01"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31"),
        ("12345-06-07", "12345-06-07"),
        ("1999-1-8", "1999-01-08"),
        ("19990108", "1999-01-08"),
        ("990108", "1999-01-08"),
        ("1/8/1999", "1999-01-08"),
        ("1/18/99", "1999-01-18"),
        ("January 8, 1999", "1999-01-08"),
        ("08-Jan-1999", "1999-01-08"),
        ("1999-Jan-08", "1999-01-08"),
        ("Jan-08-1999", "1999-01-08"),
        ("Mon, 8 jan 1999", "1999-01-08"),
        ("0044-03-15 BC", "0044-03-15 BC"),
        ("2024-02-29 13:00", "2024-02-29"),
        ("epoch", "1970-01-01"),
    ] {
        assert_eq!(shown(Date, text), expected, "{text}");
    }
    for text in ["2023-02-29", "2024-13-01", "2024-00-01", "2024-01-32", "0000-01-01", "31/12/1999"]
    {
        assert_eq!(state(Date, text), "22008", "{text}");
    }
    for text in ["", "x", "2024", "2024-01", "2024-01-01-01", "12:00", "1999-01-xx"] {
        assert_eq!(state(Date, text), "22007", "{text:?}");
    }
    assert_eq!((state(Date, "infinity"), state(Date, "today")), ("0A000", "0A000"));
}

#[test]
fn times_of_day() {
    for (text, expected) in [
        ("04:05:06.789", "04:05:06.789"),
        ("04:05", "04:05:00"),
        ("4:05:06", "04:05:06"),
        ("040506", "04:05:06"),
        ("04:05 AM", "04:05:00"),
        ("12:00 am", "00:00:00"),
        ("04:05 pm", "16:05:00"),
        ("12:30pm", "12:30:00"),
        ("24:00:00", "24:00:00"),
        ("23:59:60", "24:00:00"),
        ("00:00:00.0000005", "00:00:00.000001"),
        ("04:05:06+02", "04:05:06"),
        ("2024-01-01 04:05:06", "04:05:06"),
    ] {
        assert_eq!(shown(Time, text), expected, "{text}");
    }
    for text in ["25:00", "23:60", "24:00:01", "13:00 pm"] {
        assert_eq!(state(Time, text), "22008", "{text}");
    }
    assert_eq!((state(Time, "4"), state(Time, "a:b")), ("22007", "22007"));
}

#[test]
fn timestamps_with_and_without_zone() {
    for (text, expected) in [
        ("2024-02-29 12:34:56.7", "2024-02-29 12:34:56.7"),
        ("2024-02-29T12:34:56Z", "2024-02-29 12:34:56"),
        ("2024-02-29", "2024-02-29 00:00:00"),
        ("2024-02-29 24:00", "2024-03-01 00:00:00"),
        ("2024-02-29 12:34:56+05", "2024-02-29 12:34:56"),
        ("20240229T123456", "2024-02-29 12:34:56"),
        ("Feb 29 2024 1:00 PM", "2024-02-29 13:00:00"),
        ("1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"),
        ("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
    ] {
        assert_eq!(shown(Timestamp, text), expected, "{text}");
    }
    for (text, expected) in [
        ("2013-01-01T10:00:00Z", "2013-01-01 10:00:00+00"),
        ("2013-01-01 10:00:00", "2013-01-01 10:00:00+00"),
        ("2013-01-01 10:00:00+02", "2013-01-01 08:00:00+00"),
        ("2013-01-01 10:00:00.5-05:30", "2013-01-01 15:30:00.5+00"),
        ("2013-01-01 10:00:00 +0230", "2013-01-01 07:30:00+00"),
        ("2013-01-01 10:00:00 UTC", "2013-01-01 10:00:00+00"),
        ("2013-01-01 00:30+1", "2012-12-31 23:30:00+00"),
    ] {
        assert_eq!(shown(TimestampTz, text), expected, "{text}");
    }
    assert_eq!(state(TimestampTz, "2013-01-01 10:00 Mars/Base"), "22023");
    assert_eq!(state(Timestamp, "2013-02-30 10:00"), "22008");
    assert_eq!(state(Timestamp, "300000-01-01"), "22008");
    assert_eq!((state(Timestamp, "now"), state(TimestampTz, "-infinity")), ("0A000", "0A000"));
}

#[test]
fn uuids_become_canonical() {
    let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for text in [
        canonical,
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
        "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    ] {
        assert_eq!(shown(Uuid, text), canonical, "{text}");
    }
    for text in
        ["", "a0eebc99", "{a0eebc999c0b4ef8bb6d6bb9bd380a11", "g0eebc999c0b4ef8bb6d6bb9bd380a11"]
    {
        assert_eq!(state(Uuid, text), "22P02", "{text}");
    }
}

#[test]
fn json_is_checked_and_kept() {
    for text in ["{\"a\": [1, null]}", "1", "\"x\"", " true "] {
        assert_eq!(shown(Jsonb, text), text);
    }
    for text in ["", "{a: 1}", "[1,]", "NaN", "1 2"] {
        assert_eq!(state(Jsonb, text), "22P02", "{text}");
    }
}

proptest! {
    #[test]
    fn whole_numbers_read_back(n: i64) {
        let back = parse(BigInt, &format(BigInt, &Value::Int(n))).unwrap();
        prop_assert_eq!(back, Value::Int(n));
    }

    #[test]
    fn floats_read_back_bit_by_bit(bits8: u64, bits4: u32) {
        let (n8, n4) = (f64::from_bits(bits8), f32::from_bits(bits4));
        prop_assume!(!n8.is_nan() && !n4.is_nan());
        match parse(Double, &format(Double, &Value::Float8(n8))).unwrap() {
            Value::Float8(back) => prop_assert_eq!(back.to_bits(), n8.to_bits()),
            other => prop_assert!(false, "{:?}", other),
        }
        match parse(Real, &format(Real, &Value::Float4(n4))).unwrap() {
            Value::Float4(back) => prop_assert_eq!(back.to_bits(), n4.to_bits()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn numerics_read_back(n in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0_u8..=38) {
        let ty = Numeric { precision: 38, scale };
        prop_assert_eq!(parse(ty, &format(ty, &Value::Decimal(n))).unwrap(), Value::Decimal(n));
    }

    #[test]
    fn days_and_times_read_back(
        days in -2_000_000_i32..100_000_000,
        micros in -60_000_000_000_000_000_i64..9_000_000_000_000_000_000,
        clock in 0_i64..=86_400_000_000,
    ) {
        prop_assert_eq!(parse(Date, &format(Date, &Value::Date(days))).unwrap(), Value::Date(days));
        for (ty, n) in [(Timestamp, micros), (TimestampTz, micros), (Time, clock)] {
            let text = format(ty, &Value::Micros(n));
            prop_assert_eq!(parse(ty, &text).unwrap(), Value::Micros(n), "{}", text);
        }
    }

    #[test]
    fn bytes_read_back(bytes: Vec<u8>) {
        let value = Value::Bytes(bytes.into());
        prop_assert_eq!(parse(Bytea, &format(Bytea, &value)).unwrap(), value);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", dateish in "[-+:.0-9 TZjanbcpm/,]{0,24}") {
        for ty in [
            Bool, SmallInt, Int, BigInt, Real, Double, Text, Varchar(3), Char(3), Bytea, Date, Time,
            Timestamp, TimestampTz, Uuid, Jsonb, Numeric { precision: 38, scale: 38 },
        ] {
            for text in [&text, &dateish] {
                if let Ok(value) = parse(ty, text) {
                    prop_assert_eq!(parse(ty, &format(ty, &value)).is_ok(), true, "{} {:?}", ty, text);
                }
            }
        }
    }
}
