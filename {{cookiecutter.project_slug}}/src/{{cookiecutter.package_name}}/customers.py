"""Customers."""

from fastapi import APIRouter
from sqlalchemy.exc import IntegrityError

from {{ cookiecutter.package_name }}.database import RequestSession
from {{ cookiecutter.package_name }}.models import Customer
from {{ cookiecutter.package_name }}.problems import Problem
from {{ cookiecutter.package_name }}.schemas import CustomerIn, CustomerOut

router = APIRouter(prefix="/customers", tags=["customers"])


@router.post("", status_code=201, response_model=CustomerOut)
def create_customer(customer_in: CustomerIn, session: RequestSession) -> Customer:
    """Create a customer. 409 if the e-mail address is taken."""
    customer = Customer(name=customer_in.name, email=customer_in.email)
    session.add(customer)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Problem(
            409, "email-taken", f"There is a customer with the address {customer_in.email}."
        ) from error
    return customer
