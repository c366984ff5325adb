-- A database as hostile as its owner could make it by carelessness: what attacks are run against.
-- {link} is a connection string of the superuser.
CREATE EXTENSION dblink;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION pgstattuple;
CREATE EXTENSION lo;
CREATE EXTENSION tablefunc;
CREATE EXTENSION xml2;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION hstore;
CREATE EXTENSION pageinspect;
CREATE EXTENSION pgrowlocks;
CREATE EXTENSION pg_buffercache;
CREATE EXTENSION pg_prewarm;

CREATE TABLE customers (id int PRIMARY KEY, name text, email text, total numeric(10,2));
INSERT INTO customers SELECT n, 'name ' || n, 'p' || n || '@example.org', n * 1.25 FROM generate_series(1, 50) n;
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, placed date, amount numeric(10,2));
INSERT INTO orders SELECT n, n % 50 + 1, date '2026-01-01' + n % 300, n FROM generate_series(1, 400) n;
CREATE TABLE audit (at int GENERATED ALWAYS AS IDENTITY, what text);
CREATE TABLE docs (id int, words tsvector);
CREATE INDEX docs_words ON docs USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 4096);
INSERT INTO docs SELECT n, to_tsvector('simple', 'word' || n) FROM generate_series(1, 20) n;
CREATE SEQUENCE counter START 7;
GRANT SELECT ON counter TO PUBLIC;
SELECT lo_from_bytea(4242, 'CANARY-object');
GRANT SELECT ON LARGE OBJECT 4242 TO PUBLIC;

CREATE SCHEMA tenant2;
CREATE TABLE tenant2.secrets (word text);
INSERT INTO tenant2.secrets VALUES ('CANARY-tenant');
CREATE VIEW all_secrets AS SELECT word FROM tenant2.secrets;
CREATE TABLE hidden (id int, word text);
INSERT INTO hidden VALUES (1, 'CANARY-hidden');
CREATE VIEW hidden_view AS SELECT word FROM hidden;
CREATE TABLE people (id int, name text, card text);
INSERT INTO people VALUES (1, 'ann', 'CANARY-card');
CREATE VIEW people_view AS SELECT id, card FROM people;
CREATE TABLE parent (id int, word text);
CREATE TABLE hidden_child () INHERITS (parent);
INSERT INTO hidden_child VALUES (1, 'CANARY-child');

-- What every hostile function does: it writes through a connection of its own, which no read-only
-- transaction stops.
CREATE FUNCTION touch(label text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM public.dblink_exec('{link}', format('INSERT INTO audit (what) VALUES (%L)', label));
  RETURN true;
END $$;
CREATE FUNCTION definer_touch() RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS
  $$ BEGIN RETURN public.touch('definer'); END $$;
CREATE FUNCTION definer_stable() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS
  $$ SELECT word FROM tenant2.secrets $$;
CREATE FUNCTION definer_insert() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS
  $$ INSERT INTO audit (what) VALUES ('definer') RETURNING at $$;
CREATE FUNCTION lying_immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM public.touch('immutable'); RETURN $1; END $$;
CREATE FUNCTION lying_stable() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT public.dblink_exec('{link}', 'INSERT INTO audit (what) VALUES (''stable'')') $$;
CREATE FUNCTION lying_new_style() RETURNS boolean LANGUAGE sql STABLE
  RETURN public.touch('new style');
CREATE FUNCTION lying_twice() RETURNS int LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN public.lying_immutable(2); END $$;
CREATE FUNCTION run_text(text) RETURNS text LANGUAGE plpgsql STABLE AS
  $$ DECLARE answer text; BEGIN EXECUTE $1 INTO answer; RETURN answer; END $$;
CREATE FUNCTION reads_hidden() RETURNS SETOF text LANGUAGE sql STABLE AS
  $$ SELECT word FROM public.hidden $$;
CREATE FUNCTION locks(int) RETURNS boolean LANGUAGE plpgsql STABLE AS
  $$ BEGIN PERFORM pg_advisory_lock($1); RETURN true; END $$;
CREATE FUNCTION nap() RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;
CREATE FUNCTION badge(customers) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('row'); END $$;
CREATE FUNCTION anything(anyelement) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('any'); END $$;
CREATE FUNCTION many(VARIADIC int[]) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('variadic'); END $$;
CREATE FUNCTION defaulted(a int DEFAULT 1, b int DEFAULT 2) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('default'); END $$;
CREATE FUNCTION several() RETURNS TABLE (a int, b int) LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN PERFORM public.touch('table'); RETURN QUERY SELECT 1, 2; END $$;
-- It hides PostgreSQL's own abs() for text only.
CREATE FUNCTION abs(text) RETURNS text LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN PERFORM public.touch('abs'); RETURN $1; END $$;
CREATE FUNCTION "Quoted Name"() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('quoted'); END $$;

CREATE FUNCTION equals(int, int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('operator'); END $$;
CREATE OPERATOR === (FUNCTION = equals, LEFTARG = int, RIGHTARG = int);
CREATE FUNCTION differs(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 <> $2 $$;
CREATE FUNCTION differs_not(int, int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('negator'); END $$;
CREATE OPERATOR <<>> (FUNCTION = differs, LEFTARG = int, RIGHTARG = int, NEGATOR = ==!);
CREATE OPERATOR ==! (FUNCTION = differs_not, LEFTARG = int, RIGHTARG = int, NEGATOR = <<>>);
CREATE FUNCTION before(int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN RETURN public.touch('prefix'); END $$;
CREATE OPERATOR @@@@ (FUNCTION = before, RIGHTARG = int);
CREATE FUNCTION sorts(int, int) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
  $$ BEGIN RETURN public.touch('sort'); END $$;
CREATE OPERATOR <<<< (FUNCTION = sorts, LEFTARG = int, RIGHTARG = int);

CREATE TYPE wallet AS (amount int);
CREATE FUNCTION wallet_text(wallet) RETURNS text LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN PERFORM public.touch('cast'); RETURN 'x'; END $$;
CREATE CAST (wallet AS text) WITH FUNCTION wallet_text(wallet) AS IMPLICIT;
CREATE TABLE wallets (id int, held wallet);
INSERT INTO wallets VALUES (1, ROW(5));
CREATE DOMAIN checked AS text CHECK (touch('domain ' || VALUE));
CREATE TYPE holds_checked AS (word checked);
CREATE FUNCTION step(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN PERFORM public.touch('aggregate'); RETURN coalesce($1, 0) + $2; END $$;
CREATE AGGREGATE touching_sum(int) (SFUNC = step, STYPE = int);
CREATE FUNCTION finish(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM public.touch('final'); RETURN $1; END $$;
CREATE AGGREGATE lying_sum(int) (SFUNC = int4pl, STYPE = int, FINALFUNC = finish, INITCOND = '0');

CREATE VIEW touching AS SELECT touch('view') AS t;
CREATE VIEW touching_twice AS SELECT * FROM touching;
CREATE VIEW counting AS SELECT nextval('counter');
CREATE VIEW comparing AS SELECT id FROM orders WHERE id === 1;
CREATE TABLE guarded (id int);
INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY looks ON guarded FOR SELECT USING (touch('policy'));

CREATE SERVER myself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost', dbname 'CANARY-server');
CREATE USER MAPPING FOR postgres SERVER myself OPTIONS (user 'postgres', password 'CANARY-mapping');
ALTER ROLE reader SET app.secret = 'CANARY-setting';
CREATE FUNCTION knows() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'nothing; password CANARY-source'::text $$;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
REVOKE SELECT ON audit FROM reader;
VACUUM ANALYZE customers;
CREATE FUNCTION defaults_touch(a boolean DEFAULT touch('default')) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT a $$;
CREATE FUNCTION json_scalar(text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN public.touch('json'); END $$;
