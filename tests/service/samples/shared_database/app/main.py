from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text

from app.database import engine
from app.routers import books, login, members


@asynccontextmanager
async def lifespan(app):
    # fail early if the database is down
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    yield


app = FastAPI(title="Library", lifespan=lifespan)
app.include_router(login.router)
app.include_router(members.router)
app.include_router(books.router)


@app.get("/health")
def health():
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return {"status": "ok"}
