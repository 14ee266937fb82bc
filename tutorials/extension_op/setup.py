"""Clew must be installed where this is built: pip install --no-build-isolation ."""

from setuptools import setup

from clew.utils.cpp_extension import BuildExtension, CppExtension

setup(
    package_dir={"": "src"},
    packages=["radial"],
    ext_modules=[CppExtension("radial._C", ["csrc/gaussian.cpp"])],
    cmdclass={"build_ext": BuildExtension},
)
