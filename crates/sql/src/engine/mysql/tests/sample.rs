//! A shop with a little of everything, the same every time.

use std::sync::OnceLock;

use servers::mariadb::{Mariadb, shared};

/// The server with the database `sample`.
pub(super) fn sample() -> &'static Mariadb {
    static FILLED: OnceLock<()> = OnceLock::new();
    let server = shared();
    FILLED.get_or_init(|| server.database("sample", SQL));
    server
}

const SQL: &str = "
CREATE TABLE region (r_regionkey INT PRIMARY KEY, r_name VARCHAR(25));
INSERT INTO region VALUES (0, 'AFRICA'), (1, 'AMERICA'), (2, 'ASIA'), (3, 'EUROPE');
CREATE TABLE nation (n_nationkey INT PRIMARY KEY, n_name VARCHAR(25), n_regionkey INT);
INSERT INTO nation SELECT seq, ELT(seq + 1, 'KENYA', 'BRAZIL', 'JAPAN', 'FRANCE', 'GERMANY',
    'CANADA', 'INDIA', 'CHINA'), seq % 4 FROM seq_0_to_7;
CREATE TABLE supplier (s_suppkey INT PRIMARY KEY, s_name VARCHAR(25), s_nationkey INT,
    s_acctbal DECIMAL(15,2), s_comment VARCHAR(101));
INSERT INTO supplier SELECT seq, CONCAT('Supplier#', LPAD(seq, 9, '0')), seq % 8,
    (seq * 7919 % 10000) / 7 - 300, IF(seq % 5 = 0, 'Customer has Complaints', 'quick deposits')
    FROM seq_1_to_20;
CREATE TABLE customer (c_custkey INT PRIMARY KEY, c_name VARCHAR(25), c_nationkey INT,
    c_phone CHAR(15), c_acctbal DECIMAL(15,2), c_mktsegment CHAR(10));
INSERT INTO customer SELECT seq, CONCAT('Customer#', LPAD(seq, 9, '0')), seq % 8,
    CONCAT(10 + seq % 25, '-', 100 + seq), (seq * 6113 % 20000) / 3 - 900,
    ELT(1 + seq % 5, 'BUILDING', 'AUTOMOBILE', 'MACHINERY', 'HOUSEHOLD', 'FURNITURE')
    FROM seq_1_to_60;
CREATE TABLE part (p_partkey INT PRIMARY KEY, p_name VARCHAR(55), p_mfgr CHAR(25), p_brand CHAR(10),
    p_type VARCHAR(25), p_size INT, p_container CHAR(10), p_retailprice DECIMAL(15,2));
INSERT INTO part SELECT seq, CONCAT(ELT(1 + seq % 4, 'green', 'blush', 'forest', 'azure'), ' ',
    ELT(1 + seq % 3, 'lace', 'linen', 'smoke')), CONCAT('Manufacturer#', 1 + seq % 5),
    CONCAT('Brand#', 10 + seq % 6), ELT(1 + seq % 4, 'PROMO BURNISHED COPPER', 'LARGE BRUSHED BRASS',
    'STANDARD POLISHED BRASS', 'SMALL PLATED COPPER'), 1 + seq % 50, ELT(1 + seq % 3, 'MED BOX',
    'SM CASE', 'LG PACK'), 900 + seq * 1.1 FROM seq_1_to_80;
CREATE TABLE partsupp (ps_partkey INT, ps_suppkey INT, ps_availqty INT, ps_supplycost DECIMAL(15,2),
    PRIMARY KEY (ps_partkey, ps_suppkey));
INSERT INTO partsupp SELECT p.seq, 1 + (p.seq * 3 + s.seq * 5) % 20, (p.seq * 37 + s.seq) % 9999,
    (p.seq * 11 + s.seq * 13) % 1000 / 3 FROM seq_1_to_80 p, seq_0_to_2 s;
CREATE TABLE orders (o_orderkey INT PRIMARY KEY, o_custkey INT, o_orderstatus CHAR(1),
    o_totalprice DECIMAL(15,2), o_orderdate DATE, o_orderpriority CHAR(15), o_comment VARCHAR(79),
    KEY by_customer (o_custkey), KEY by_date (o_orderdate));
INSERT INTO orders SELECT seq, 1 + seq * 17 % 50, ELT(1 + seq % 3, 'O', 'F', 'P'),
    (seq * 104729 % 500000) / 7, DATE '1994-01-01' + INTERVAL (seq * 7 % 1500) DAY,
    ELT(1 + seq % 5, '1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'),
    IF(seq % 9 = 0, 'special packages requests', 'plain') FROM seq_1_to_300;
CREATE TABLE lineitem (l_orderkey INT, l_linenumber INT, l_partkey INT, l_suppkey INT,
    l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2),
    l_tax DECIMAL(15,2), l_returnflag CHAR(1), l_linestatus CHAR(1), l_shipdate DATE,
    l_commitdate DATE, l_receiptdate DATE, l_shipmode CHAR(10), l_shipinstruct CHAR(25),
    PRIMARY KEY (l_orderkey, l_linenumber));
INSERT INTO lineitem SELECT o_orderkey, n.seq, 1 + (o_orderkey * 13 + n.seq * 7) % 80,
    1 + (o_orderkey * 3 + n.seq) % 20, 1 + (o_orderkey + n.seq * 11) % 50,
    (o_orderkey * 977 + n.seq * 331) % 90000 / 7, (o_orderkey + n.seq) % 11 / 100,
    (o_orderkey * n.seq) % 9 / 100, ELT(1 + (o_orderkey + n.seq) % 3, 'R', 'A', 'N'),
    IF(o_orderkey % 2, 'O', 'F'), o_orderdate + INTERVAL n.seq * 9 DAY,
    o_orderdate + INTERVAL 30 DAY, o_orderdate + INTERVAL n.seq * 9 + o_orderkey % 20 DAY,
    ELT(1 + (o_orderkey + n.seq) % 4, 'MAIL', 'SHIP', 'AIR', 'TRUCK'),
    IF(n.seq % 2, 'DELIVER IN PERSON', 'NONE') FROM orders, seq_1_to_4 n;
CREATE TABLE staff (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, manager INT,
    pay DECIMAL(12,2), hired DATE, FOREIGN KEY (manager) REFERENCES staff (id));
INSERT INTO staff SELECT seq, CONCAT('Person ', seq), IF(seq = 1, NULL, seq DIV 3 + (seq < 3)),
    3000 + seq * 331 % 2500, DATE '2015-01-31' + INTERVAL seq MONTH FROM seq_1_to_30;
CREATE TABLE events (id INT PRIMARY KEY, at DATETIME(3), seen TIMESTAMP NULL, kind
    ENUM('view', 'click', 'buy'), tags SET('new', 'sale', 'gift'), data JSON, amount DOUBLE);
INSERT INTO events SELECT seq, '2026-01-01 00:00:00.125' + INTERVAL seq * 97 MINUTE,
    IF(seq % 7 = 0, NULL, '2026-01-01 12:00:00' + INTERVAL seq HOUR), 1 + seq % 3, seq % 8,
    JSON_OBJECT('user', seq % 9, 'items', JSON_ARRAY(seq, seq * 2), 'note', CONCAT('n', seq)),
    seq / 7e0 FROM seq_1_to_90;
CREATE TABLE articles (id INT PRIMARY KEY, title VARCHAR(200), body TEXT,
    FULLTEXT KEY by_text (title, body)) ENGINE = InnoDB;
INSERT INTO articles VALUES (1, 'Database tuning', 'How to make a database faster with indexes'),
    (2, 'Cooking', 'How to make bread'), (3, 'Indexes', 'A database index is a tree'),
    (4, 'Größe', 'Unicode: 表, naïve, Ωmega'), (5, 'Empty', '');
CREATE TABLE places (id INT PRIMARY KEY, name VARCHAR(20), spot POINT NOT NULL);
INSERT INTO places VALUES (1, 'a', POINT(0, 0)), (2, 'b', POINT(3, 4)), (3, 'c', POINT(6.5, 8));
CREATE VIEW big_orders AS SELECT o_orderkey, o_totalprice FROM orders WHERE o_totalprice > 50000;
ANALYZE TABLE orders, lineitem, customer, part, supplier;
";
