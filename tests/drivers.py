#!/usr/bin/env python3
"""What Python's drivers do every day, against a real server: types in text and binary, pipelines,
COPY, cursors, savepoints, upserts, an object mapper.

psycopg, psycopg2, asyncpg and SQLAlchemy come from PyPI into a cached virtual environment; without a
network this prints a line that begins with SKIP.

usage: tests/drivers.py path/to/antipode
"""

import asyncio
import datetime as dt
import decimal
import os
import subprocess
import sys
import traceback
import uuid
import venv

import served

PACKAGES = ["psycopg[binary]==3.*", "psycopg2-binary==2.*", "asyncpg==0.*", "sqlalchemy==2.*"]
UTC = dt.timezone.utc
ROW = (1, True, 3, 2**40, 1.5, 2.25, decimal.Decimal("123.456"), "héllo", "abc", "x   ",
       b"\x00\xff", dt.date(2024, 2, 29), dt.time(1, 2, 3, 456),
       dt.datetime(2024, 1, 2, 3, 4, 5, 6), dt.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
       uuid.UUID(int=5))
TYPES = ("id int PRIMARY KEY, b boolean, s smallint, l bigint, r real, d double precision, "
         "n numeric(12,3), t text, v varchar(5), c char(4), y bytea, day date, at time, "
         "stamp timestamp, moment timestamptz, u uuid")


def enter_environment():
    """Starts this script again with the interpreter of an environment that has the drivers."""
    home = served.CACHE / "drivers"
    python = home / "bin" / "python"
    if not (home / "done").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            served.skip("drivers", f"cannot install {', '.join(PACKAGES)}: {last}")
        (home / "done").touch()
    os.execv(python, [str(python), *sys.argv])


def types_in_text_and_binary(port):
    import psycopg
    with psycopg.connect(**address(port)) as session:
        session.execute(f"CREATE TABLE everything ({TYPES})")
        marks = ", ".join(["%s"] * len(ROW))
        session.execute(f"INSERT INTO everything VALUES ({marks})", ROW)
        session.execute("INSERT INTO everything (id) VALUES (%s)", (2,))
        for binary in (False, True):
            cursor = session.cursor(binary=binary)
            rows = cursor.execute("SELECT * FROM everything ORDER BY id").fetchall()
            assert rows[0] == ROW, (binary, rows[0])
            assert rows[1] == (2, *[None] * (len(ROW) - 1)), rows[1]


def pipelines_copy_and_cursors(port):
    import psycopg
    with psycopg.connect(**address(port)) as session:
        session.execute("CREATE TABLE plain (id int PRIMARY KEY, v text)")
        with session.pipeline():
            for i in range(10):
                session.execute("INSERT INTO plain VALUES (%s, %s)", (i, f"v{i}"))
        with session.cursor() as cursor:
            insert = "INSERT INTO plain VALUES (%s, %s) RETURNING id"
            cursor.executemany(insert, [(i, None) for i in range(10, 20)], returning=True)
            with cursor.copy("COPY plain FROM STDIN") as copy:
                for i in range(20, 100):
                    copy.write_row((i, f"tab\t{i}"))
            with cursor.copy("COPY plain TO STDOUT") as copy:
                assert len(list(copy.rows())) == 100
        with session.cursor("named") as cursor:
            cursor.execute("SELECT * FROM plain ORDER BY id")
            assert len(cursor.fetchmany(30)) == 30 and len(cursor.fetchall()) == 70


def savepoints_errors_and_upserts(port):
    import psycopg
    with psycopg.connect(**address(port)) as session:
        with session.transaction():
            try:
                with session.transaction():
                    session.execute("INSERT INTO plain VALUES (1, 'twice')")
                raise AssertionError("a duplicate key was taken")
            except psycopg.errors.UniqueViolation:
                pass
            session.execute("INSERT INTO plain VALUES (1000, 'kept')")
        upsert = "INSERT INTO plain VALUES (1, 'new') ON CONFLICT (id) DO UPDATE SET v = excluded.v"
        session.execute(upsert)
        found = session.execute("SELECT v FROM plain WHERE id IN (1, 1000) ORDER BY id").fetchall()
        assert found == [("new",), ("kept",)], found


def psycopg2_as_usual(port):
    import psycopg2
    import psycopg2.extras
    session = psycopg2.connect(**address(port))
    cursor = session.cursor()
    cursor.execute("SELECT n, moment FROM everything WHERE id = %s", (1,))
    assert cursor.fetchone() == (ROW[6], ROW[14])
    rows = [(i, "z") for i in range(2000, 2100)]
    psycopg2.extras.execute_values(cursor, "INSERT INTO plain VALUES %s", rows)
    session.commit()
    session.close()


def asyncpg_as_usual(port):
    import asyncpg

    async def run():
        session = await asyncpg.connect(host="127.0.0.1", port=port, user="root",
                                        password=served.PASSWORD, database="antipode")
        row = await session.fetchrow("SELECT * FROM everything WHERE id = $1", 1)
        assert tuple(row) == ROW, row
        rows = [(i, "a") for i in range(3000, 3100)]
        await session.executemany("INSERT INTO plain VALUES ($1, $2)", rows)
        async with session.transaction():
            seen = [r["id"] async for r in session.cursor("SELECT id FROM plain WHERE id >= 3000")]
        assert len(seen) == 100
        await session.close()

    asyncio.run(run())


def sqlalchemy_as_usual(port):
    import sqlalchemy as sa
    from urllib.parse import quote
    engine = sa.create_engine(
        f"postgresql+psycopg://root:{quote(served.PASSWORD)}@127.0.0.1:{port}/antipode")
    tables = sa.MetaData()
    people = sa.Table("people", tables, sa.Column("id", sa.Integer, primary_key=True,
                                                  autoincrement=False),
                      sa.Column("name", sa.String(50)))
    tables.create_all(engine)
    with engine.begin() as session:
        session.execute(people.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        assert session.execute(sa.select(people)).fetchall() == [(1, "a"), (2, "b")]
    seen = sa.inspect(engine)
    assert "people" in seen.get_table_names()
    assert [c["name"] for c in seen.get_columns("people")] == ["id", "name"]
    engine.dispose()


def address(port):
    return {"host": "127.0.0.1", "port": port, "user": "root", "password": served.PASSWORD,
            "dbname": "antipode"}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        import sqlalchemy  # noqa: F401
    except ImportError:
        enter_environment()
    tests = [types_in_text_and_binary, pipelines_copy_and_cursors, savepoints_errors_and_upserts,
             psycopg2_as_usual, asyncpg_as_usual, sqlalchemy_as_usual]
    failed = 0
    with served.server(sys.argv[1]) as port:
        for test in tests:
            try:
                test(port)
                print(f"drivers: {test.__name__}: ok")
            except Exception:
                failed += 1
                print(f"drivers: {test.__name__}: FAILED\n{traceback.format_exc()}")
    if failed:
        sys.exit(f"drivers: {failed} of {len(tests)} failed")


if __name__ == "__main__":
    main()
