import asyncio

from app import crud


class Mailbox:
    """Collects what would be sent."""

    def __init__(self, delay=0.0):
        self.delay = delay
        self.sent = []

    async def send(self, to, subject):
        await asyncio.sleep(self.delay)
        self.sent.append((to, subject))


async def remind(db, mailbox, today=None):
    loans = crud.overdue(db, today)
    await asyncio.gather(
        *(mailbox.send(loan.member.email, f"Overdue: {loan.book.title}") for loan in loans)
    )
    return len(loans)
