"""Other programs' writes fire the triggers: SQLAlchemy, three ways, each in a database that has them already.

    clients.py URL

inserts ('John', 30) through Core, the ORM and raw SQL, reads the row back by another statement each time, and prints
one line for each: the way, the name and the age.
"""

import sys

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int]


users = Table(
    "users",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("age", Integer),
)


def core(engine):
    with engine.begin() as connection:
        key = connection.execute(insert(users).values(name="John", age=30)).inserted_primary_key[0]
    with engine.connect() as connection:
        return connection.execute(select(users.c.name, users.c.age).where(users.c.id == key)).one()


def orm(engine):
    with Session(engine) as session:
        user = User(name="John", age=30)
        session.add(user)
        session.commit()
        # The commit expired the object: reading an attribute asks the database.
        return user.name, user.age


def raw(engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users (name, age) VALUES (:name, :age)"), {"name": "John", "age": 30})
    with engine.connect() as connection:
        return connection.execute(text("SELECT name, age FROM users ORDER BY id DESC LIMIT 1")).one()


def main(url):
    engine = create_engine(url)
    for way in (core, orm, raw):
        name, age = way(engine)
        print(way.__name__, name, age)
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
