-- A small shop, to try `suite sql` with. Everybody in it is invented; the figures come from
-- arithmetic, so that they are the same each time. This makes the file beside it:
--
--     rm -f samples/sales.db && sqlite3 samples/sales.db < samples/sales.sql

PRAGMA page_size = 2048;
PRAGMA user_version = 1;

CREATE TABLE customers ( -- who buys, or has asked for the newsletter
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE, -- personal: mask it for analysts
    phone TEXT, -- personal; NULL if not given
    city TEXT NOT NULL,
    country TEXT NOT NULL, -- ISO 3166, two letters
    since TEXT NOT NULL, -- the day of the first visit, 2026-11-22
    newsletter INTEGER NOT NULL DEFAULT 0 -- 1 if it is wanted
);

CREATE TABLE products ( -- what is sold
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0), -- today's price, in euro cents
    stock INTEGER NOT NULL -- pieces in the warehouse
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_on TEXT NOT NULL, -- the day, 2026-11-22
    status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'returned', 'cancelled')),
    shipped_on TEXT, -- NULL until it is shipped
    channel TEXT NOT NULL -- web, shop or phone
);

CREATE TABLE order_lines ( -- what was ordered, one product a line
    order_id INTEGER NOT NULL REFERENCES orders (id),
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL, -- the price on that day, for one piece
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;

CREATE INDEX orders_by_customer ON orders (customer_id);
CREATE INDEX orders_by_day ON orders (ordered_on);
CREATE INDEX lines_by_product ON order_lines (product_id);

CREATE VIEW order_totals AS -- what each order comes to
SELECT o.id, o.customer_id, o.ordered_on, o.status, sum(l.quantity * l.price_cents) AS total_cents
FROM orders o JOIN order_lines l ON l.order_id = o.id
GROUP BY o.id;

CREATE VIEW revenue_by_month AS -- without what was returned or cancelled
SELECT substr(ordered_on, 1, 7) AS month, count(*) AS orders, sum(total_cents) AS revenue_cents
FROM order_totals
WHERE status NOT IN ('returned', 'cancelled')
GROUP BY month;

CREATE VIEW customer_summary AS -- what each customer has ordered so far
SELECT c.id, c.name, c.email, c.country, count(t.id) AS orders,
    coalesce(sum(t.total_cents), 0) AS total_cents, max(t.ordered_on) AS last_order
FROM customers c LEFT JOIN order_totals t ON t.customer_id = c.id
GROUP BY c.id;

BEGIN;

WITH RECURSIVE
    n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150),
    first(k, name) AS (VALUES (0, 'Anna'), (1, 'Ben'), (2, 'Clara'), (3, 'David'), (4, 'Elif'),
        (5, 'Felix'), (6, 'Giulia'), (7, 'Hugo'), (8, 'Ines'), (9, 'Jonas'), (10, 'Katarzyna'),
        (11, 'Luca'), (12, 'Marie'), (13, 'Noah'), (14, 'Olga'), (15, 'Pablo'), (16, 'Rosa'),
        (17, 'Søren'), (18, 'Tomáš'), (19, 'Zoë')),
    last(k, name) AS (VALUES (0, 'Andersen'), (1, 'Bauer'), (2, 'Costa'), (3, 'Dubois'),
        (4, 'Eriksson'), (5, 'Fischer'), (6, 'García'), (7, 'Horváth'), (8, 'Jansen'), (9, 'Kowalski'),
        (10, 'Lindqvist'), (11, 'Moreau'), (12, 'Novák'), (13, 'O''Brien'), (14, 'Peeters'),
        (15, 'Rossi'), (16, 'Schmidt')),
    place(k, city, country, prefix) AS (VALUES (0, 'Berlin', 'DE', '+49 30'), (1, 'Bonn', 'DE', '+49 228'),
        (2, 'Köln', 'DE', '+49 221'), (3, 'Paris', 'FR', '+33 1'), (4, 'Lyon', 'FR', '+33 4'),
        (5, 'Milano', 'IT', '+39 02'), (6, 'Madrid', 'ES', '+34 91'), (7, 'Wien', 'AT', '+43 1'),
        (8, 'Praha', 'CZ', '+420 2'), (9, 'Antwerpen', 'BE', '+32 3'), (10, 'København', 'DK', '+45 33')),
    mail(k, domain) AS (VALUES (0, 'example.com'), (1, 'example.org'), (2, 'example.net'))
INSERT INTO customers
SELECT i, first.name || ' ' || last.name,
    'customer' || i || '@' || domain,
    CASE WHEN i % 4 <> 0 THEN prefix || ' 5550' || substr('000' || (i * 37 % 1000), -3) END,
    city, country, date('2023-01-05', '+' || (i * 7 + i * i % 13) || ' days'), i % 3 = 0
FROM n
JOIN first ON first.k = i * 7 % 20
JOIN last ON last.k = i * 5 % 17
JOIN place ON place.k = i * 3 % 11
JOIN mail ON mail.k = i % 3
ORDER BY i;

INSERT INTO products (name, category, price_cents, stock) VALUES
    ('Espresso beans, 1 kg', 'coffee', 2290, 140), ('Filter coffee, 500 g', 'coffee', 1190, 210),
    ('Decaf beans, 500 g', 'coffee', 1390, 65), ('Cold brew, 6 bottles', 'coffee', 1790, 48),
    ('Green tea, 100 g', 'tea', 890, 120), ('Earl Grey, 100 g', 'tea', 790, 95),
    ('Rooibos, 250 g', 'tea', 990, 80), ('Peppermint, 50 g', 'tea', 490, 160),
    ('Chai mix, 200 g', 'tea', 1090, 0), ('Dark chocolate 70 %', 'sweets', 390, 400),
    ('Milk chocolate', 'sweets', 290, 380), ('Almond biscuits', 'sweets', 590, 150),
    ('Gingerbread', 'sweets', 690, 75), ('Honey, 500 g', 'pantry', 950, 60),
    ('Olive oil, 750 ml', 'pantry', 1490, 110), ('Sea salt', 'pantry', 350, 220),
    ('Grinder, manual', 'equipment', 6900, 25), ('Grinder, electric', 'equipment', 14900, 12),
    ('Moka pot, 6 cups', 'equipment', 3490, 40), ('French press, 1 l', 'equipment', 2990, 55),
    ('Gooseneck kettle', 'equipment', 5490, 18), ('Paper filters, 100', 'equipment', 450, 500),
    ('Digital scale', 'equipment', 3990, 22), ('Milk frother', 'equipment', 1990, 35),
    ('Cup, white', 'tableware', 790, 180), ('Cup, blue', 'tableware', 790, 140),
    ('Teapot, 1 l', 'tableware', 2490, 30), ('Tea glass', 'tableware', 690, 90),
    ('Tray, oak', 'tableware', 3290, 15), ('Gift card', 'other', 2500, 9999);

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 760),
    drawn AS (
        SELECT i, 1 + (i * i * 31 + i * 17) % 137 AS customer,
            date('2024-01-02', '+' || (i * 5 / 4 + i % 5) || ' days') AS day,
            (i * 13 + i / 7) % 40 AS draw
        FROM n)
INSERT INTO orders
SELECT i, customer, day,
    CASE WHEN draw = 0 THEN 'cancelled' WHEN draw IN (1, 2) THEN 'returned'
        WHEN i > 748 THEN 'open' WHEN i > 735 THEN 'paid' ELSE 'shipped' END,
    CASE WHEN draw <> 0 AND i <= 735 THEN date(day, '+' || (1 + i % 4) || ' days') END,
    CASE WHEN i % 10 < 7 THEN 'web' WHEN i % 10 < 9 THEN 'shop' ELSE 'phone' END
FROM drawn
ORDER BY i;

WITH RECURSIVE line(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM line WHERE k < 5)
INSERT INTO order_lines
SELECT o.id, k, p.id, 1 + (o.id * k) % 3,
    CASE WHEN o.ordered_on < '2025-01-01' THEN p.price_cents * 9 / 10 ELSE p.price_cents END
FROM orders o
JOIN line ON k <= 1 + o.id * 7 % 5
JOIN products p ON p.id = 1 + (o.id * 11 + k * k * 5) % 29
ORDER BY o.id, k;

COMMIT;

ANALYZE;
VACUUM;
