use super::*;
use arrow::array::*;

fn text(array: impl Array + 'static) -> String {
    let mut out = BytesMut::new();
    write(&array, 0, &mut out).expect("writes");
    String::from_utf8(out.to_vec()).expect("UTF-8")
}

#[test]
fn floats_look_as_in_postgresql() {
    for (value, wanted) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1.5, "1.5"),
        (100.0, "100"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1.25e-5, "1.25e-05"),
        (0.0001, "0.0001"),
        (-123456.75, "-123456.75"),
        (1e300, "1e+300"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(text(Float64Array::from(vec![value])), wanted);
    }
    for (value, wanted) in [(1.1_f32, "1.1"), (1e6, "1e+06"), (123456.0, "123456")] {
        assert_eq!(text(Float32Array::from(vec![value])), wanted);
    }
}

#[test]
fn decimals_keep_their_scale() {
    for (digits, scale, wanted) in
        [(12345, 2, "123.45"), (-5, 2, "-0.05"), (0, 3, "0.000"), (7, 0, "7"), (100, 2, "1.00")]
    {
        let array =
            Decimal128Array::from(vec![digits]).with_precision_and_scale(38, scale).expect("fits");
        assert_eq!(text(array), wanted);
    }
}

#[test]
fn dates_and_times() {
    for (days, wanted) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (19_782, "2024-02-29"),
        (2_932_896, "9999-12-31"),
        (2_932_897, "10000-01-01"),
        (-719_528, "0001-01-01 BC"),
    ] {
        assert_eq!(text(Date32Array::from(vec![days])), wanted);
    }
    assert_eq!(text(Time64MicrosecondArray::from(vec![3_723_000_120])), "01:02:03.00012");
    assert_eq!(text(TimestampMicrosecondArray::from(vec![-1])), "1969-12-31 23:59:59.999999");
    let utc = TimestampMicrosecondArray::from(vec![1_721_000_000_000_000]).with_timezone("+00:00");
    assert_eq!(text(utc), "2024-07-14 23:33:20+00");
}

#[test]
fn bytes_and_others() {
    assert_eq!(text(BinaryArray::from(vec![&b"\x00\xff"[..]])), "\\x00ff");
    assert_eq!(text(BooleanArray::from(vec![true])), "t");
    assert_eq!(text(Int64Array::from(vec![i64::MIN])), "-9223372036854775808");
    assert!(write(&UInt8Array::from(vec![1]), 0, &mut BytesMut::new()).is_err());
}
