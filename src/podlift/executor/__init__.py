"""The Airflow executor: a thin façade over an asyncio engine in a thread of its own."""
