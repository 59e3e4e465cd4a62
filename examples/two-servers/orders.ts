/** The API's own data, in a database of its own. It knows users by one thing only: the id in the token (`sub`). */
import { DatabaseSync } from "node:sqlite";

export interface Order {
  readonly id: number;
  readonly item: string;
}

export interface Orders {
  of(user: string): readonly Order[];
  add(user: string, item: string): Order;
  remove(user: string, id: number): boolean;
  /** Over all users. */
  count(): number;
}

export function openOrders(): Orders {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, user TEXT NOT NULL, item TEXT NOT NULL) STRICT");
  const select = database.prepare("SELECT id, item FROM orders WHERE user = ? ORDER BY id");
  const insert = database.prepare("INSERT INTO orders (user, item) VALUES (?, ?)");
  const erase = database.prepare("DELETE FROM orders WHERE user = ? AND id = ?");
  const total = database.prepare("SELECT count(*) AS orders FROM orders");
  return {
    of: (user) => select.all(user).map((row) => ({ id: Number(row.id), item: String(row.item) })),
    add: (user, item) => ({ id: Number(insert.run(user, item).lastInsertRowid), item }),
    remove: (user, id) => erase.run(user, id).changes === 1,
    count: () => Number(total.get()?.orders ?? 0),
  };
}
