-- SPDX-License-Identifier: BSD-2-Clause
-- A cache.db of schema version 1, with one object, as the first version of the program left it.
PRAGMA page_size=8192;
PRAGMA auto_vacuum=INCREMENTAL;
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE meta (
  name  TEXT    PRIMARY KEY,           -- seed: of the keys; next_id: above every id in use
  value INTEGER NOT NULL
) STRICT;
CREATE TABLE object (                  -- one stored response (one variant of one URL)
  id       INTEGER PRIMARY KEY,        -- handed out in order, never again
  url      TEXT    NOT NULL,
  method   TEXT    NOT NULL DEFAULT 'GET',
  vary     TEXT,                       -- request fields that this variant answers; NULL: any
  status   INTEGER NOT NULL,
  type     TEXT,                       -- Content-Type without parameters
  size     INTEGER NOT NULL,           -- bytes of the body
  stored   INTEGER NOT NULL,           -- when it came; unix seconds, as are all times
  date     INTEGER NOT NULL,           -- when the origin made it
  expires  INTEGER,                    -- fresh until, as told; NULL: not told
  modified INTEGER,                    -- Last-Modified
  etag     TEXT,
  flags    INTEGER NOT NULL,           -- what it said of its use, a bit each; 1: ask the origin
  on_error INTEGER NOT NULL,           -- stale-if-error, seconds
  on_stale INTEGER NOT NULL,           -- stale-while-revalidate, seconds
  header   TEXT    NOT NULL,           -- status line and fields
  crc      INTEGER NOT NULL,           -- CRC-32C of header
  tags     TEXT,                       -- Surrogate-Key, Cache-Tag
  decision TEXT                        -- why it was stored
) STRICT;
CREATE TABLE usage (                   -- a small row per object: read whole at the start
  id   INTEGER PRIMARY KEY,            -- object.id
  key  INTEGER NOT NULL,               -- hash of method and url, by meta's seed
  size INTEGER NOT NULL,               -- bytes that it costs of the cap
  used INTEGER NOT NULL,               -- last hit, some minutes old
  hits INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX usage_key ON usage(key);
CREATE TABLE chunk (                   -- bodies in pieces of 66500 bytes
  id   INTEGER PRIMARY KEY,            -- object.id * 1048576 + number of the piece
  crc  INTEGER NOT NULL,               -- CRC-32C of data
  data BLOB    NOT NULL
) STRICT;
CREATE TABLE orphan (                  -- objects whose pieces are still coming, or to be swept
  id INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE purge (                   -- what SQL typed elsewhere did; read and emptied
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  object_id INTEGER NOT NULL,
  key       INTEGER NOT NULL,
  what      TEXT    NOT NULL,          -- deleted, changed
  who       TEXT,
  at        INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;
CREATE TRIGGER object_deleted AFTER DELETE ON object BEGIN
  DELETE FROM usage WHERE id = old.id;
END;
CREATE TRIGGER usage_deleted AFTER DELETE ON usage BEGIN
  INSERT INTO purge(object_id, key, what) VALUES (old.id, old.key, 'deleted');
  DELETE FROM object WHERE id = old.id;
END;
CREATE TRIGGER object_changed AFTER UPDATE OF expires ON object BEGIN
  INSERT INTO purge(object_id, key, what)
    SELECT id, key, 'changed' FROM usage WHERE id = new.id;
  UPDATE object SET flags = flags | 1 WHERE id = new.id AND expires <= unixepoch();
END;
CREATE TRIGGER object_insert BEFORE INSERT ON object BEGIN
  SELECT RAISE(ABORT, 'only the proxy adds objects');
END;
CREATE TRIGGER object_update BEFORE UPDATE OF id, url, method, vary, status, type, size, stored,
    date, modified, etag, on_error, on_stale, header, crc ON object BEGIN
  SELECT RAISE(ABORT, 'only expires, flags, tags and decision may be changed');
END;
CREATE TRIGGER usage_insert BEFORE INSERT ON usage BEGIN
  SELECT RAISE(ABORT, 'only the proxy adds objects');
END;
CREATE TRIGGER usage_update BEFORE UPDATE OF id, key, size ON usage BEGIN
  SELECT RAISE(ABORT, 'only used and hits may be changed');
END;
CREATE TRIGGER chunk_insert BEFORE INSERT ON chunk BEGIN
  SELECT RAISE(ABORT, 'only the proxy writes bodies');
END;
CREATE TRIGGER chunk_update BEFORE UPDATE ON chunk BEGIN
  SELECT RAISE(ABORT, 'only the proxy writes bodies');
END;
CREATE TRIGGER chunk_delete BEFORE DELETE ON chunk BEGIN
  SELECT RAISE(ABORT, 'delete from cache or object: the bodies follow');
END;
CREATE VIEW cache AS                   -- what a person wants to see
SELECT o.id,
       o.status,
       CASE WHEN o.expires IS NULL THEN 'heuristic'
            WHEN o.expires > unixepoch() THEN 'fresh' ELSE 'stale' END AS state,
       o.size,
       u.hits,
       datetime(u.used, 'unixepoch', 'localtime')    AS last_used,
       datetime(o.stored, 'unixepoch', 'localtime')  AS stored,
       datetime(o.expires, 'unixepoch', 'localtime') AS expires,
       o.type,
       substr(substr(o.url, instr(o.url, '://') + 3), 1,
              instr(substr(o.url, instr(o.url, '://') + 3) || '/', '/') - 1) AS host,
       o.url,
       o.vary
FROM object o JOIN usage u USING (id);
CREATE TRIGGER cache_delete INSTEAD OF DELETE ON cache BEGIN
  DELETE FROM object WHERE id = old.id;
END;
CREATE TRIGGER cache_expire INSTEAD OF UPDATE OF expires ON cache BEGIN
  UPDATE object SET expires = CASE typeof(new.expires) WHEN 'text'
    THEN unixepoch(new.expires, 'utc') ELSE CAST(new.expires AS INTEGER) END
  WHERE id = old.id;
END;
CREATE TRIGGER cache_update INSTEAD OF UPDATE OF id, status, state, size, hits, last_used, stored,
    type, host, url, vary ON cache BEGIN
  SELECT RAISE(ABORT, 'only expires may be changed');
END;
CREATE VIEW content AS                 -- a body in one piece (binary: CAST(text AS BLOB))
SELECT o.id, o.url, o.type,
       (SELECT group_concat(CAST(data AS TEXT), '')
        FROM (SELECT data FROM chunk WHERE chunk.id BETWEEN o.id << 20 AND o.id << 20 | 1048575
              ORDER BY chunk.id)) AS text
FROM object o;
CREATE TRIGGER content_delete INSTEAD OF DELETE ON content BEGIN
  DELETE FROM object WHERE id = old.id;
END;
CREATE VIEW host AS                    -- a line per site
SELECT host, count(*) AS objects, round(sum(size) / 1e6, 1) AS MB, sum(hits) AS hits,
       sum(state = 'stale') AS stale, max(last_used) AS last_used
FROM cache GROUP BY host ORDER BY sum(size) DESC;
CREATE TRIGGER host_delete INSTEAD OF DELETE ON host BEGIN
  DELETE FROM cache WHERE host = old.host;
END;
CREATE VIEW summary AS
SELECT count(*) AS objects, round(coalesce(sum(o.size), 0) / 1e6, 1) AS body_MB,
       coalesce(sum(u.hits), 0) AS hits,
       round(coalesce(sum(u.size), 0) / 1e6, 1) AS disk_MB,
       datetime(min(u.used), 'unixepoch', 'localtime') AS coldest
FROM object o JOIN usage u USING (id);
INSERT INTO meta VALUES ('seed', 7), ('next_id', 1024);
DROP TRIGGER object_insert;
DROP TRIGGER usage_insert;
DROP TRIGGER chunk_insert;
INSERT INTO object(id, url, status, type, size, stored, date, expires, flags, on_error, on_stale, header, crc)
  VALUES (1, 'http://www.example/old', 200, 'text/plain', 3, 1700000000, 1700000000, 4000000000, 0, 0, 0,
          'HTTP/1.1 200 OK' || char(13, 10) || 'Content-Type: text/plain' || char(13, 10), 3131175353);
INSERT INTO usage(id, key, size, used, hits) VALUES (1, -6282261684326418103, 200, 1700000000, 4);
INSERT INTO chunk VALUES (1 << 20, 3611824327, x'00bb77');
CREATE TRIGGER object_insert BEFORE INSERT ON object BEGIN
  SELECT RAISE(ABORT, 'only the proxy adds objects');
END;
CREATE TRIGGER usage_insert BEFORE INSERT ON usage BEGIN
  SELECT RAISE(ABORT, 'only the proxy adds objects');
END;
CREATE TRIGGER chunk_insert BEFORE INSERT ON chunk BEGIN
  SELECT RAISE(ABORT, 'only the proxy writes bodies');
END;
PRAGMA application_id=1212367171;
PRAGMA user_version=1;
COMMIT;
