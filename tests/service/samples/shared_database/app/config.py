from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    DATABASE_URL: str
    SECRET_KEY: str
    FIRST_ADMIN: str
    FIRST_ADMIN_PASSWORD: str
    ACCESS_TOKEN_EXPIRE_MINUTES: int = 60 * 24
    LOAN_DAYS: int = 21
    MAX_LOANS: int = 3


settings = Settings()
